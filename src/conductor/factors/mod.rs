//! Second factors at work: what is sealed and sent for logins that are left open, and the asking of the stores.

pub(crate) mod bearer;
pub(crate) mod deliveries;
pub(crate) mod seals;
pub(crate) mod second_factors;
