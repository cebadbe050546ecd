//! Login rules: asked in their order about each login whose credentials are right, and at each refresh.

mod canaries;
mod claims;
mod denials;
mod dropped;
mod failures;
#[cfg(feature = "testing")]
mod made;
mod order;
pub mod parts;
mod properties;
mod refresh;
mod scopes;
