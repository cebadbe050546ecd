//! The traits that the application implements, and the values they exchange with the endpoint.
//!
//! Each trait has a file: `verifier`, `registry`, `issuer`, `limiter`, `access` and `refresh` (stores of tokens), `shield`, `clock`,
//! `audit` and so on. `ladder` has the values that a request climbs by: each is made by one function and consumed by the next.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod auth_method;
pub(crate) mod backend;
pub(crate) mod body;
pub(crate) mod can_recheck;
pub(crate) mod check;
pub(crate) mod clock;
pub(crate) mod document;
pub(crate) mod exceptions;
pub(crate) mod extension;
pub(crate) mod factors;
pub(crate) mod guess;
pub(crate) mod host_extensions;
pub(crate) mod identity;
pub(crate) mod issuer;
pub(crate) mod ladder;
pub(crate) mod limiter;
pub(crate) mod login_event;
pub(crate) mod login_note;
pub(crate) mod login_rule;
pub(crate) mod maybe;
pub(crate) mod notifier;
pub(crate) mod once;
pub(crate) mod operator;
pub(crate) mod peer;
pub(crate) mod provided;
pub(crate) mod proxies;
pub(crate) mod put_down;
pub(crate) mod recheck;
pub(crate) mod records;
pub(crate) mod refresh;
pub(crate) mod refresh_use;
pub(crate) mod refusal;
pub(crate) mod registry;
pub(crate) mod rule_at_once_fn;
pub(crate) mod rule_fn;
pub(crate) mod setting;
pub(crate) mod shield;
pub(crate) mod sync;
pub(crate) mod transport;
pub(crate) mod usage;
pub(crate) mod users;
pub(crate) mod verifier;
pub(crate) mod verify_fn;
