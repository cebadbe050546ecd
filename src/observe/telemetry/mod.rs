//! The one place that emits events and counts. What may be said, and how it is escaped, is decided here and nowhere else.

mod counted;
#[cfg(feature = "metrics")]
#[path = "metrics_on.rs"]
mod counters;
#[cfg(not(feature = "metrics"))]
#[path = "metrics_off.rs"]
mod counters;
#[cfg(feature = "tracing")]
#[path = "events_on.rs"]
mod events;
#[cfg(not(feature = "tracing"))]
#[path = "events_off.rs"]
mod events;
#[cfg(all(feature = "argon2", feature = "tracing"))]
#[path = "hashes_on.rs"]
mod hashes;
#[cfg(all(feature = "argon2", not(feature = "tracing")))]
#[path = "hashes_off.rs"]
mod hashes;

pub(crate) use counted::{bearer_refused, limiters_differ, shield_failed, user_moved, user_not_moved};
pub(crate) use counters::{COUNTS, count, count_fallback, show_usage};
pub(crate) use events::{answered, audit_failed, built, is_enabled, notifier_failed, settle_failed};
#[allow(unused_imports, reason = "for rooms, which are features")]
pub(crate) use events::{background_failed, store_promises_less};
pub(crate) use events::{
    cannot_finish, cannot_recheck, imports_without_recheck, misfit, other_clock, recheck_disagrees,
};
pub(crate) use events::{limiter_away, limiter_back};
#[cfg(feature = "argon2")]
pub(crate) use hashes::{hash_unusable, upgrade_failed, upgrade_lost};
#[allow(unused_imports, reason = "for rooms, which are features")]
pub(crate) use {counted::engine_away, events::engine_back};
