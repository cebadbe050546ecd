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
mod issue;
mod login;
pub(crate) mod mint;
pub(crate) mod misfits;
pub(crate) mod notices;
pub(crate) mod purpose;
pub(crate) mod rungs;
mod second_look;
pub(crate) mod senders;
pub(crate) mod trail;
pub(crate) mod users;
pub(crate) mod weigh;
