//! The protocol itself: pure functions over values, without IO, clock or framework.

pub(crate) mod address;
pub(crate) mod audience;
pub(crate) mod client;
pub(crate) mod explained;
pub(crate) mod factor;
pub(crate) mod ip_network;
pub(crate) mod millis;
pub(crate) mod profile;
pub(crate) mod realm;
pub(crate) mod rules;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod skew;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod user;
pub(crate) mod versioned;
pub(crate) mod wait;
pub(crate) mod wiped;
pub(crate) mod wire;
