use super::builder::Builder;
use super::introspection_endpoint::IntrospectionEndpoint;
use super::metadata::Metadata;
use super::refresh_tokens::RefreshTokens;
use super::revocation_endpoint::RevocationEndpoint;
use crate::boundary::access::AccessTokenVerifier;

/// Tokens after the login: to refresh, end and explain them, and to find the endpoints that do it. See
/// [tokens](crate::manual::tokens).
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

    /// Serves the revocation endpoint (RFC 7009), behind the same client authentication, budgets and origins as the token
    /// endpoint. Default: none. A refresh token ends with its whole family and the family's access tokens.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses it with neither [refresh tokens](Self::refresh_tokens) nor
    /// [access tokens](Self::access_tokens): one of them is enough.
    pub fn revocation(mut self, endpoint: RevocationEndpoint) -> Self {
        self.options.tokens.revocation = Some(endpoint);
        self
    }

    /// Serves the introspection endpoint (RFC 7662), for the clients that
    /// [may ask](crate::client::ClientBuilder::allow_introspection). Default: none.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses it without [access tokens](Self::access_tokens).
    pub fn introspection(mut self, endpoint: IntrospectionEndpoint) -> Self {
        self.options.tokens.introspection = Some(endpoint);
        self
    }

    /// Serves the metadata document (RFC 8414). Default: none.
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.options.tokens.metadata = Some(metadata);
        self
    }
}
