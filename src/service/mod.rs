//! Mounting the endpoint: builder, layer, service and leaf.
//!
//! The builder's methods stand by purpose: `builder` (the required parts), `settings` (what differs from the defaults), `tokens`
//! (after the login), `operation`. Settings that belong together are values: `request_limits`, `refresh_tokens`, the endpoints of
//! tokens, and the attack protection of the limiter's room. `assemble` checks all of them and puts the endpoint together. `routes`
//! matches paths, `intake` and `future` collect the body and wait for the answer, `forward` hands other grants on.

// The documentation page of the builder shows its methods in this order.
mod builder;
mod settings;
mod tokens;

mod operation;

mod answer_body;
mod assemble;
mod body_buffer;
mod checks;
mod config_error;
mod danger;
mod endpoint;
mod factor_endpoints;
mod flows;
mod forward;
mod future;
mod grant_service;
mod intake;
mod introspection_endpoint;
mod layer;
mod leaving;
mod metadata;
mod metadata_document;
mod mount;
mod options;
mod realm_grant;
mod refresh_tokens;
mod request_limits;
mod required;
mod revocation_endpoint;
mod routes;
mod second_factor;
mod token_options;
mod well_known;

pub use crate::boundary::body::{NoInner, ResponseBody};
pub use answer_body::{AnswerBody, EnclosedBody, InnerBody};
pub use builder::{Builder, PasswordGrant};
pub use config_error::ConfigError;
pub use danger::Danger;
pub use endpoint::TokenEndpoint;
pub use factor_endpoints::FactorEndpoints;
pub use forward::{Forward, ForwardFuture};
pub use future::ResponseFuture;
pub use grant_service::{PasswordGrantService, Reject};
pub use intake::EndpointFuture;
pub use introspection_endpoint::IntrospectionEndpoint;
pub use layer::PasswordGrantLayer;
pub use metadata::Metadata;
pub use refresh_tokens::RefreshTokens;
pub use request_limits::RequestLimits;
pub use required::{HasClients, HasIssuer, HasVerifier, NotSet};
pub use revocation_endpoint::RevocationEndpoint;
