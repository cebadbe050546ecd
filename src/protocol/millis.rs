//! Instants as stores keep them: whole milliseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last millisecond that is not after `time`; the first or last of all that can be written if it is beyond them.
pub(crate) fn floor(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => {
            let before = before.duration();
            let rest = i64::from(!before.subsec_nanos().is_multiple_of(1_000_000));
            whole(before).saturating_neg().saturating_sub(rest)
        }
    }
}

/// The first millisecond that is not before `time`: for what must not be forgotten sooner.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn ceil(time: SystemTime) -> i64 {
    time.checked_add(Duration::from_nanos(999_999)).map_or(i64::MAX, floor)
}

fn whole(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The instant of what was written, if there is one.
pub(crate) fn instant(millis: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}
