//! The resource server's side: bearer tokens in front of an API (RFC 6750), and the client of an introspection endpoint
//! (RFC 7662).

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
mod route_rules;
mod service;

pub use builder::BearerGuardBuilder;
pub use cache::TokenCache;
pub use config_error::{BearerConfigError, IntrospectionConfigError};
pub use future::BearerFuture;
pub use guard::BearerGuard;
pub use introspection::IntrospectionClient;
pub use principal::Principal;
pub use refusal::{BearerReason, BearerRefusal};
pub use service::BearerService;
