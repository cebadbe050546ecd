use std::time::Duration;

use super::builder::Builder;
use super::metadata::Metadata;
use super::refresh_tokens::RefreshTokens;
use crate::boundary::access::AccessTokenVerifier;

/// Tokens after they were issued.
impl<C, V, I> Builder<C, V, I> {
    /// Gives refresh tokens to the clients that [may have them](crate::client::ClientBuilder::allow_refresh_tokens), and serves
    /// `grant_type=refresh_token` (RFC 6749 section 6). Default: none.
    ///
    /// Refresh tokens rotate: each use gives a new one and ends the old one; a copy of an old one that is presented later ends
    /// them all (RFC 9700 section 4.14.2). The verifier must decide at each refresh whether the user may still be logged in:
    /// [`CredentialVerifier::recheck`](crate::CredentialVerifier::recheck).
    pub fn refresh_tokens(mut self, tokens: RefreshTokens) -> Self {
        self.options.tokens.refresh = Some(tokens);
        self
    }

    /// Looks access tokens up and ends them, for introspection, revocation, and when a family of refresh tokens ends. Default:
    /// none. Give the same [`OpaqueIssuer`](crate::OpaqueIssuer) that issues them, or a verifier of JWTs, which can be
    /// introspected but not revoked.
    pub fn access_tokens(mut self, verifier: impl AccessTokenVerifier) -> Self {
        self.options.tokens.access = Some(Box::new(verifier));
        self
    }

    /// Serves the revocation endpoint (RFC 7009) at this path, behind the same client authentication, budgets and origins as
    /// the token endpoint. Default: none. A refresh token ends with its whole family and the family's access tokens.
    pub fn revocation_path(mut self, path: impl Into<String>) -> Self {
        self.options.tokens.revocation_path = Some(path.into());
        self
    }

    /// Ends the refresh tokens of the same login when an access token is revoked (RFC 7009 section 2.1). Default: off, because
    /// a client that gives an access token back may go on with its refresh token. They end even if the access token is one that
    /// cannot be revoked itself.
    pub fn revoke_family_with_access_token(mut self) -> Self {
        self.options.tokens.access_token_ends_family = true;
        self
    }

    /// Serves the introspection endpoint (RFC 7662) at this path, for the clients that
    /// [may ask](crate::client::ClientBuilder::allow_introspection). Default: none.
    pub fn introspection_path(mut self, path: impl Into<String>) -> Self {
        self.options.tokens.introspection_path = Some(path.into());
        self
    }

    /// How long a resource server may keep an answer about an active token, in whole seconds, but never beyond the token's end:
    /// sent as `Cache-Control: private`. Default: not at all. A revoked token is taken as good for as long.
    pub fn introspection_max_age(mut self, age: Duration) -> Self {
        self.options.tokens.introspection_max_age = Some(age);
        self
    }

    /// Serves the metadata document (RFC 8414). Default: none.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.options.tokens.metadata = Some(metadata);
        self
    }
}
