//! Mounting the endpoint: builder, layer, service and leaf.
//!
//! The builder's methods stand by purpose: `builder` (the parts), `protection` (attack protection), `settings` (what is granted and
//! accepted), `tokens` (after the login), `danger`. `assemble` checks them and puts the endpoint together. `routes` matches
//! paths, `intake` and `future` collect the body and wait for the answer, `forward` hands other grants on.

mod answer_body;
mod assemble;
mod body_buffer;
mod builder;
mod checks;
mod config_error;
mod danger;
mod deadlines;
mod endpoint;
mod forward;
mod future;
mod grant_service;
mod intake;
mod introspection_endpoint;
mod layer;
mod metadata;
mod mount;
mod options;
mod protection;
mod refresh_tokens;
mod required;
mod revocation_endpoint;
mod routes;
mod settings;
mod token_options;
mod tokens;

pub use crate::boundary::body::{NoInner, ResponseBody};
pub use answer_body::{AnswerBody, EnclosedBody, InnerBody};
pub use builder::{Builder, PasswordGrant};
pub use config_error::ConfigError;
pub use danger::Danger;
pub use endpoint::TokenEndpoint;
pub use forward::{Forward, ForwardFuture};
pub use future::ResponseFuture;
pub use grant_service::{PasswordGrantService, Reject};
pub use intake::EndpointFuture;
pub use introspection_endpoint::IntrospectionEndpoint;
pub use layer::PasswordGrantLayer;
pub use metadata::Metadata;
pub use refresh_tokens::RefreshTokens;
pub use required::{HasClients, HasIssuer, HasVerifier, NotSet};
pub use revocation_endpoint::RevocationEndpoint;
