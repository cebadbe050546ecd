//! Second factors as values: which authenticators a user has, and what a login with a factor open says of itself.

pub(crate) mod authenticator;
pub(crate) mod challenge;
pub(crate) mod changes;
pub(crate) mod parameters;
pub(crate) mod random;
pub(crate) mod recovery;
