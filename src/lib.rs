// The first definition of a link wins: here the front page leads to pages of this documentation, not of the web.
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("links.md"))]
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("drawings/links.md"))]
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("../README.md"))]
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("drawings/themes.html"))]
#![cfg_attr(
    not(all(feature = "argon2", feature = "sqlite")),
    doc = "A tower layer that serves the OAuth 2.0 password grant."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::string_slice))]

// Which module has what, and which may use which: `src/manual/structure.md`.
#[cfg(feature = "argon2")]
pub mod argon2;
pub mod audit;
pub mod bearer;
mod boundary;
pub mod client;
pub mod clock;
mod conductor;
pub mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod grant;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(feature = "breach-filter")]
pub mod leaks;
pub mod limiter;
pub mod manual;
mod memory;
pub mod mfa;
pub mod mount;
mod observe;
#[cfg(any(feature = "postgres", feature = "postgres-sqlx"))]
pub mod postgres;
mod protocol;
pub mod realms;
#[cfg(feature = "redis")]
pub mod redis;
pub mod rules;
mod service;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod usage;
pub mod user;

pub use boundary::backend::BackendError;
pub use boundary::issuer::{TokenIssuer, issue_fn};
pub use boundary::ladder::grant::Grant;
pub use boundary::maybe::MaybeFuture;
pub use boundary::peer::PeerAddress;
pub use boundary::registry::{ClientRegistry, find_client_fn};
pub use boundary::verifier::{Attempt, CredentialVerifier, Denial, Verdict};
pub use boundary::verify_fn::verify_fn;
pub use memory::clients::StaticClients;
pub use memory::opaque::OpaqueIssuer;
pub use protocol::client::registered::{Client, ClientId, ClientSecret};
pub use protocol::scope::Scope;
pub use protocol::secret::secrets::Password;
pub use protocol::user::subject::Subject;
pub use protocol::wire::response::IssuedTokens;
pub use service::{Builder, ConfigError, PasswordGrant, PasswordGrantLayer, TokenEndpoint};
