//! Conducts one request through the rungs of the ladder.

pub(crate) mod access;
pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod ceilings;
pub(crate) mod door;
pub(crate) mod endpoint;
pub(crate) mod exchange;
mod failure;
pub(crate) mod families;
pub(crate) mod flows;
pub(crate) mod gate;
pub(crate) mod login;
pub(crate) mod misfits;
pub(crate) mod notices;
pub(crate) mod purpose;
pub(crate) mod senders;
pub(crate) mod trail;
