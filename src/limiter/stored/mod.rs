//! The limiter over a store of two operations: load the records of an attempt, run the [step](super::step::transition), swap what changed.
//!
//! [`record`] is what is kept, [`touched`] the records of one attempt and what a step makes of them. [`queue`] is what waits in this
//! process, [`sheet`] the records of all that have their turn at once, [`swapping`] the way there and back, [`under_way`] how many
//! come from one network, [`mark`] by which key and limits all processes count, [`limiter`] all of it; [`operator`] looks in from outside.

// What waits in one process is kept under locks of the standard library: a model checker looks at the steps of processes, and need not
// try each order of threads under them.

pub(crate) mod limiter;
mod mark;
mod operator;
mod queue;
mod record;
mod sheet;
mod swapping;
mod touched;
mod under_way;
