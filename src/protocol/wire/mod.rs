//! What is on the wire: heads, forms and credentials of requests; answers, errors and their tables.

pub(crate) mod auth0;
pub(crate) mod basic;
pub(crate) mod caching;
pub(crate) mod charset;
pub(crate) mod encode;
pub(crate) mod error;
pub(crate) mod faces;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod forwarded;
pub(crate) mod head;
pub(crate) mod host_code;
pub(crate) mod introspection;
pub(crate) mod issuer_url;
mod json_form;
pub(crate) mod json_object;
mod json_scanner;
pub(crate) mod media_type;
pub(crate) mod members;
pub(crate) mod methods;
pub(crate) mod origin;
pub(crate) mod published;
mod rate_limit;
pub(crate) mod response;
pub(crate) mod rfc6749;
pub(crate) mod texts;
pub(crate) mod uri;
