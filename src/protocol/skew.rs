//! How far clocks may differ: a token is not good before its time, but those of two servers are never quite the same, and one
//! that is set back a little must not end every login of the last moment.

use std::time::{Duration, SystemTime};

/// How far the clock that issued a token may be ahead of the one that judges it, unless somebody says otherwise.
pub(crate) const SKEW: Duration = Duration::from_secs(5);
/// The most that anybody can say.
pub(crate) const MAX_SKEW: Duration = Duration::from_secs(60);

/// Whether a time lies more than `skew` ahead of `now`.
pub(crate) fn is_ahead(time: SystemTime, now: SystemTime, skew: Duration) -> bool {
    // As most do not: the difference takes longer to tell.
    time > now && time.duration_since(now).is_ok_and(|ahead| ahead > skew)
}
