//! Registered clients: what they are, what they may ask for, and how they prove who they are.

pub(crate) mod builder;
pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod grant_type;
pub(crate) mod listed;
mod members;
pub(crate) mod policy;
pub(crate) mod realms;
pub(crate) mod registered;
pub(crate) mod registration;
pub(crate) mod sunset;
