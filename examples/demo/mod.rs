//! What the application brings, the same in each framework: its users, its clients, its tokens; and the commands that
//! show them at work.
#![allow(dead_code, reason = "not every example needs all of it")]

use std::net::SocketAddr;
use std::sync::Arc;

use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::bearer::BearerGuard;
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::mount::Metadata;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens, SecretDigest};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};
use tower_password_grant::{Client, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients};

pub(crate) use self::start::Error;
use self::users::Users;

pub(crate) mod commands;
pub(crate) mod start;
pub(crate) mod users;

/// A password that is only ever typed into this demo.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// The realms of the main example: two directories of users, each with a password of its own.
pub(crate) const EMPLOYEES: &str = "employees";
pub(crate) const CUSTOMERS: &str = "customers";
pub(crate) const CUSTOMERS_PASSWORD: &str = "tomato soup on a rainy day";

/// The secrets of the demo's clients. Yours are random, handed over once and kept as digests only:
/// `ClientSecret::generate`.
pub(crate) const SERVICE_SECRET: &str = "demo-secret-that-everybody-knows";
pub(crate) const API_SECRET: &str = "demo-api-secret-that-everybody-knows";

/// The public client, which the page is, too.
pub(crate) const CLI: &str = "demo-cli";

/// The name of the API in the tokens that are for it.
pub(crate) const API: &str = "https://api.example";

/// The header by which a client asks for a login with a second factor.
pub(crate) const STEP_UP: &str = "Step-Up";

/// The endpoints, and the guard of what the application serves besides them.
pub(crate) struct Demo {
    pub(crate) layer: PasswordGrantLayer,
    pub(crate) guard: BearerGuard,
}

impl Demo {
    /// With the users alice and bob and all tokens in this process: a restart ends every login.
    pub(crate) fn in_memory(address: SocketAddr, peer: PeerAddress) -> Result<Self, Error> {
        let [service, cli, api] = clients();
        // One and the same issues the tokens, looks them up and ends them.
        let tokens = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()).with_audience([API]));
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new([service.build()?, cli.build()?, api.build()?])?)
            .verifier(Argon2Verifier::new(Users::with_password(["alice", "bob"], PASSWORD)?)?)
            .issuer(Arc::clone(&tokens))
            .access_tokens(Arc::clone(&tokens))
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .revocation(RevocationEndpoint::at("/oauth/revoke"))
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .metadata(Metadata::new(format!("http://{address}")).scopes_supported(["read", "write"]))
            .peer_address(peer)
            .build()?;
        Ok(Self { layer, guard: BearerGuard::builder(tokens).audience(API).build()? })
    }
}

/// A confidential and a public client, which log users in and keep them logged in, and the API, which may ask about tokens.
pub(crate) fn clients() -> [ClientBuilder; 3] {
    [
        Client::confidential("demo-service", &SecretDigest::of(SERVICE_SECRET))
            .allow_password_grant()
            .allow_refresh_tokens()
            .scopes("read write")
            .default_scope("read"),
        Client::public(CLI).allow_password_grant().allow_refresh_tokens().scopes("read write").default_scope("read"),
        Client::confidential("demo-api", &SecretDigest::of(API_SECRET)).allow_introspection().resource_server(API),
    ]
}
