//! Conducts one request through the rungs of the ladder.

pub(crate) mod answer;
pub(crate) mod ceilings;
pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod gate;
pub(crate) mod misfits;
pub(crate) mod purpose;
pub(crate) mod refresh;
pub(crate) mod rungs;
pub(crate) mod second_look;
pub(crate) mod senders;
mod settle;
pub(crate) mod tokens;
pub(crate) mod trail;
pub(crate) mod weigh;
