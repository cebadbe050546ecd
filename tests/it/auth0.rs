//! The profile of Auth0: statuses, codes and sentences that its SDKs compare.

mod alike;
mod answers;
#[cfg(feature = "testing")]
mod audience;
#[cfg(feature = "jwt")]
mod discovery;
mod expect;
mod faces;
mod json_again;
mod json_bodies;
mod json_malformed;
mod json_properties;
mod locks;
mod mounts;
mod pages;
mod parts;
mod properties;
mod replay;
mod rules;
mod scopes;
