//! The limiter over a store of two operations: load the records of an attempt, run the [step](super::step::transition), swap what changed.
//!
//! [`record`] is what is kept, [`touched`] the records of one attempt and what a step makes of them, [`swapping`] the way there
//! and back, [`turns`] which attempt waits for which in this process, [`joint`] which are refused together, [`limiter`] all of it;
//! [`operator`] looks in from outside.

mod joint;
pub(crate) mod limiter;
mod lines;
mod operator;
mod record;
mod swapping;
mod touched;
mod turns;
