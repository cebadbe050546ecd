//! The one place that emits events and counts. What may be said, and how it is escaped, is decided here and nowhere else.

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

#[cfg(feature = "metrics")]
#[path = "metrics_on.rs"]
mod counters;
#[cfg(not(feature = "metrics"))]
#[path = "metrics_off.rs"]
mod counters;

use crate::boundary::backend::BackendError;
use crate::protocol::client::ClientId;

pub(crate) use counters::{COUNTS, count};
#[allow(unused_imports, reason = "for rooms, which are features")]
pub(crate) use events::background_failed;
pub(crate) use events::{answered, audit_failed, built, is_enabled, notifier_failed, settle_failed};
pub(crate) use events::{cannot_recheck, misfit, other_clock};
#[cfg(feature = "argon2")]
pub(crate) use hashes::{hash_unusable, upgrade_failed, upgrade_lost};

/// A guard refused a request for this reason.
pub(crate) fn bearer_refused(
    reason: &'static str,
    is_trouble: bool,
    client: Option<&ClientId>,
    hint: Option<&'static str>,
    failure: Option<&BackendError>,
) {
    counters::count_bearer_refusal(reason);
    events::bearer_refused(reason, is_trouble, client, hint, failure);
}

/// The shield gave no finding, and the login went on.
pub(crate) fn shield_failed(failure: &BackendError) {
    counters::count_shield_failure();
    events::shield_failed(failure);
}
