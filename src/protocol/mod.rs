//! The protocol itself: pure functions over values, without IO, clock or framework.

pub(crate) mod address;
pub(crate) mod basic;
pub(crate) mod charset;
pub(crate) mod client;
pub(crate) mod client_builder;
pub(crate) mod client_error;
pub(crate) mod credentials;
pub(crate) mod encode;
pub(crate) mod error;
pub(crate) mod explained;
pub(crate) mod family;
pub(crate) mod form;
pub(crate) mod forwarded;
pub(crate) mod grant;
pub(crate) mod head;
pub(crate) mod host_code;
pub(crate) mod introspection;
pub(crate) mod issuer_url;
pub(crate) mod lineage;
pub(crate) mod media_type;
#[cfg(feature = "opaque-string")]
mod opaque_string;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod preparation;
pub(crate) mod record;
pub(crate) mod response;
pub(crate) mod scope;
pub(crate) mod secret_keys;
pub(crate) mod secrets;
pub(crate) mod skew;
pub(crate) mod spelling;
pub(crate) mod steps;
pub(crate) mod sunset;
pub(crate) mod texts;
