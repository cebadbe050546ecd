use std::fmt;
use std::sync::Arc;

use super::config_error::ConfigError;
use super::layer::PasswordGrantLayer;
use super::options::Options;
use super::required::{HasClients, HasIssuer, HasVerifier, NotSet};
use crate::boundary::audit::AuditSink;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::Clock;
use crate::boundary::document::PublicDocument;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::peer::PeerAddress;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::shield::{OnLeak, Shield};
use crate::boundary::verifier::CredentialVerifier;

/// Where it starts: [`PasswordGrant::builder`].
#[derive(Debug)]
pub struct PasswordGrant(());

impl PasswordGrant {
    /// A builder of the token endpoint. Required are [`clients`](Builder::clients), [`verifier`](Builder::verifier),
    /// [`issuer`](Builder::issuer) and [`peer_address`](Builder::peer_address).
    pub fn builder() -> Builder {
        Builder { clients: NotSet(()), verifier: NotSet(()), issuer: NotSet(()), options: Options::default() }
    }
}

/// Puts a token endpoint together. Every option names its default; see the [manual](crate::manual::defaults) for why.
#[must_use]
pub struct Builder<C = NotSet, V = NotSet, I = NotSet> {
    clients: C,
    verifier: V,
    issuer: I,
    pub(super) options: Options,
}

/// The parts.
impl<C, V, I> Builder<C, V, I> {
    /// The clients that may call. Required.
    pub fn clients<T: ClientRegistry>(self, clients: T) -> Builder<T, V, I> {
        Builder { clients, verifier: self.verifier, issuer: self.issuer, options: self.options }
    }

    /// Decides whether this is the user's password. Required.
    pub fn verifier<T: CredentialVerifier>(self, verifier: T) -> Builder<C, T, I> {
        Builder { clients: self.clients, verifier, issuer: self.issuer, options: self.options }
    }

    /// Makes the tokens. Required.
    pub fn issuer<T: TokenIssuer>(self, issuer: T) -> Builder<C, V, T> {
        Builder { clients: self.clients, verifier: self.verifier, issuer, options: self.options }
    }

    /// Where the peer's address comes from, on which attempts are counted. Required, because no part of a request
    /// says it reliably, and a wrong guess would either lock all users out together or none at all.
    pub fn peer_address(mut self, source: PeerAddress) -> Self {
        self.options.peer = Some(source);
        self
    }

    /// The path of the token endpoint, compared byte by byte with the path that the layer sees. Default:
    /// `/oauth/token`. Inside a router that strips a prefix, this is the stripped path.
    pub fn token_path(mut self, path: impl Into<String>) -> Self {
        self.options.token_path = path.into();
        self
    }

    /// Serves a public document, such as a JWKS, at a path of this layer. Default: none.
    pub fn document(mut self, path: impl Into<String>, document: impl PublicDocument) -> Self {
        self.options.documents.push((path.into(), Arc::new(document)));
        self
    }

    /// The clocks, of the endpoint and of all its parts that were given none: see [`Clock`]. Default: the operating
    /// system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.clock = Some(Arc::new(clock));
        self
    }

    /// Takes an event for every answer. Default: none; `tracing` events are independent of it.
    pub fn audit(mut self, sink: impl AuditSink) -> Self {
        self.options.audit = Some(Box::new(sink));
        self
    }

    /// Checks each correct password against known leaks, then warns or blocks.
    /// Default: none. Change it when you have a list of leaked passwords; begin with [`OnLeak::Warn`]. A shield that
    /// fails, or takes longer than 300 milliseconds, lets the login go on. Needs tokio's timer, unless the shield answers
    /// at once.
    pub fn shield(mut self, shield: impl Shield, on_leak: OnLeak) -> Self {
        self.options.shield = Some((Box::new(shield), on_leak));
        self
    }

    /// A way of client authentication that the endpoint does not know itself (RFC 6749 section 2.3.2). Default: none.
    pub fn client_auth_method(mut self, method: impl ClientAuthMethod) -> Self {
        self.options.methods.push(Box::new(method));
        self
    }

    /// A grant type of your own (RFC 6749 section 4.5). Default: none.
    pub fn extension_grant(mut self, grant: impl ExtensionGrant) -> Self {
        self.options.extensions.push(Box::new(grant));
        self
    }

    /// Switches the password grant off: it is answered `unsupported_grant_type`. Default: on for clients that allow it.
    /// For the day after the last client has moved, while extension grants stay.
    pub fn without_password_grant(mut self) -> Self {
        self.options.password_grant = false;
        self
    }

    /// Checks everything and gives the layer.
    ///
    /// # Errors
    /// The first thing that was wrong, with its cure.
    pub fn build(self) -> Result<PasswordGrantLayer, ConfigError>
    where
        C: HasClients,
        V: HasVerifier,
        I: HasIssuer,
    {
        self.options.assemble(Box::new(self.clients), Box::new(self.verifier), Box::new(self.issuer))
    }
}

impl<C, V, I> fmt::Debug for Builder<C, V, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("token_path", &self.options.token_path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::{BodyExt as _, Full};
    use tower::ServiceExt as _;

    use super::*;
    use crate::boundary::issuer::issue_fn;
    use crate::boundary::ladder::grant::Grant;
    use crate::boundary::verifier::{Denial, Verdict};
    use crate::boundary::verify_fn::verify_fn;
    use crate::memory::clients::StaticClients;
    use crate::protocol::client::registered::Client;
    use crate::protocol::wire::profile::{Face, Profile, Row, row};
    use crate::protocol::wire::response::IssuedTokens;
    use crate::protocol::wire::rfc6749::RFC_6749;

    const OTHER: Profile = Profile::new(|face| {
        const DENIED: &Row = &row!(FORBIDDEN "invalid_grant" "Wrong email or password.");
        if face == Face::Denied { DENIED } else { RFC_6749.row(face) }
    });

    #[tokio::test]
    async fn an_endpoint_answers_by_the_table_of_its_profile() {
        for (profile, status, sentence) in
            [(RFC_6749, 400, "the credentials are not valid"), (OTHER, 403, "Wrong email or password.")]
        {
            let client = Client::public("app").allow_password_grant().scopes("read").default_scope("read");
            let mut builder = PasswordGrant::builder()
                .clients(StaticClients::new([client.build().unwrap()]).unwrap())
                .verifier(verify_fn(|_| async { Ok(Verdict::from(Denial::WrongPassword)) }))
                .issuer(issue_fn(|_: Grant| async { Err::<IssuedTokens, _>("nothing is issued".into()) }))
                .peer_address(PeerAddress::unknown());
            builder.options.profile = profile;
            let request = Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
            let body = "grant_type=password&client_id=app&username=alice&password=x";
            let answer = builder
                .build()
                .unwrap()
                .endpoint()
                .oneshot(request.body(Full::<bytes::Bytes>::from(body)).unwrap())
                .await;
            let (head, body) = answer.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((head.status.as_u16(), json["error_description"].as_str()), (status, Some(sentence)));
        }
    }
}
