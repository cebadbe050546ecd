//! The profile of Auth0: statuses, codes and sentences that its SDKs compare.

mod answers;
#[cfg(feature = "jwt")]
mod discovery;
mod expect;
mod json_bodies;
mod locks;
mod pages;
mod parts;
mod rules;
mod scopes;
