//! The limiter over a store of two operations: load the records of an attempt, run the [step](super::step), swap what changed.
//!
//! [`record`] is what is kept, [`touched`] the records of one attempt and what a step makes of them, [`swapping`] the way there
//! and back, [`turns`] which attempt waits for which in this process, [`limiter`] all together; [`operator`] looks
//! in from outside.

pub(crate) mod limiter;
mod operator;
mod record;
mod swapping;
mod touched;
mod turns;
