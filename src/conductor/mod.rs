//! Conducts one request through the rungs of the ladder. `exchange` has the order of the steps.
//!
//! | Step | File |
//! |---|---|
//! | the head: method, TLS, ceiling, address | `gate`, `throttle`, `senders` |
//! | the client: find it, authenticate it | `door` |
//! | what it asks for: a file for each grant, and for revocation and introspection | `flows` |
//! | charge, verify, weigh, issue, settle: what all logins share | `login`, `budget`, `families` |
//! | the answer, and what the audit says of it | `answer`, `failure`, `trail`, `notices` |

pub(crate) mod access_tokens;
pub(crate) mod answer;
pub(crate) mod budget;
pub(crate) mod door;
pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod factors;
mod failure;
pub(crate) mod families;
pub(crate) mod flows;
pub(crate) mod gate;
pub(crate) mod login;
pub(crate) mod misfits;
pub(crate) mod notices;
pub(crate) mod plans;
pub(crate) mod purpose;
pub(crate) mod senders;
pub(crate) mod throttle;
pub(crate) mod trail;
