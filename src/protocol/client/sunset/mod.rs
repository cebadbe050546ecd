//! The end of the password grant for a client: its date, the steps on the way to it, and what they say of a login.

pub(crate) mod end;
pub(crate) mod judge;
mod plan;
pub(crate) mod steps;
