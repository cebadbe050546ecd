//! Taking tokens: bearer tokens in front of an API (RFC 6750), and the client of an introspection endpoint (RFC 7662).
//!
//! A [`BearerGuard`] is a layer for the routes of an API. It asks an [`AccessTokenVerifier`]: the store of the tokens in the same
//! process, the verifier of the feature `jwt`, or an [`IntrospectionClient`] in another process. The handler finds a
//! [`Principal`] in the request.
//!
//! ```
//! use std::sync::Arc;
//! use tower_password_grant::OpaqueIssuer;
//! use tower_password_grant::bearer::BearerGuard;
//! use tower_password_grant::store::MemoryAccessTokens;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()));
//! let guard = BearerGuard::builder(Arc::clone(&issuer)).any_audience().build()?;
//! # let _ = guard;
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod cache;
mod config_error;
mod credentials;
mod future;
mod guard;
mod introspected;
mod introspection;
mod principal;
mod recent;
mod refusal;
mod route_needs;
mod route_rules;
mod service;

pub use crate::boundary::access::{AccessTokenVerifier, RevocationOutcome};
pub use builder::BearerGuardBuilder;
pub use cache::TokenCache;
pub use config_error::{BearerConfigError, IntrospectionConfigError};
pub use future::BearerFuture;
pub use guard::BearerGuard;
pub use introspection::IntrospectionClient;
pub use principal::Principal;
pub use refusal::{BearerReason, BearerRefusal};
pub use service::BearerService;
