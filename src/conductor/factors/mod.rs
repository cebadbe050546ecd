//! Second factors of a login that is under way.

pub(crate) mod deliveries;
pub(crate) mod seals;
