//! Second factors as values: which authenticators a user has, and what a login with a factor open says of itself.

pub(crate) mod api;
pub(crate) mod authenticator;
pub(crate) mod binding_code;
pub(crate) mod challenge;
pub(crate) mod changes;
pub(crate) mod choice;
pub(crate) mod contact;
mod packed;
pub(crate) mod parameters;
pub(crate) mod polling;
mod random;
pub(crate) mod recovery;
pub(crate) mod sealed_text;
pub(crate) mod wanted;
