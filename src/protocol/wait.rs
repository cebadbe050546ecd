//! How long to wait, as it is told.

use std::time::Duration;

/// In whole seconds, rounded up: an answer that says 0 is not one to wait for.
pub(crate) fn seconds_to_wait(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}
