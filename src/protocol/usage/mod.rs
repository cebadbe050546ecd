//! Which users log in how, by day: the values that a usage store keeps, and the pure tally of them.

pub(crate) mod day;
pub(crate) mod row;
pub(crate) mod standing;
pub(crate) mod stayers;
pub(crate) mod tally;
pub(crate) mod way;
