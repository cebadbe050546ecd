//! How long tokens may live, and how long a used refresh token may be presented again: the limits of both, for the settings of an
//! endpoint and of a client alike.

use std::time::{Duration, SystemTime};

use crate::protocol::wire::error::Reason;

/// The least lifetime of a token: answers and records tell whole seconds.
pub(crate) const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);

/// How long a refresh token that was used may be presented again, if neither the endpoint nor the client says otherwise.
pub(crate) const DEFAULT_LEEWAY: Duration = Duration::from_secs(10);

/// The longest time for which a used refresh token may be presented again.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// A time that the setting may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnfitTime {
    #[error("a lifetime of {0:?} is less than a second: give at least one")]
    Lifetime(Duration),
    #[error("a refresh token's leeway of {0:?} is more than 60 seconds: give less")]
    Leeway(Duration),
}

/// The lifetime of a token, if it may have this one.
pub(crate) fn lifetime(given: Duration) -> Result<Duration, UnfitTime> {
    if given < SHORTEST_LIFETIME { Err(UnfitTime::Lifetime(given)) } else { Ok(given) }
}

/// The leeway of a refresh token, if it may have this one.
pub(crate) fn leeway(given: Duration) -> Result<Duration, UnfitTime> {
    if given > MAX_LEEWAY { Err(UnfitTime::Leeway(given)) } else { Ok(given) }
}

/// How long that lives on which a family of refresh tokens bounds, from `now` to `end`: what is about to be over is over.
pub(crate) fn rest_of_family(end: SystemTime, now: SystemTime) -> Result<Duration, Reason> {
    let rest = end.duration_since(now).unwrap_or_default();
    if rest < SHORTEST_LIFETIME { Err(Reason::RefreshTokenExpired) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_second_or_more_and_a_leeway_a_minute_or_less() {
        let [none, short, second] = [0, 999_999_999, 1_000_000_000].map(Duration::from_nanos);
        assert_eq!([none, short].map(lifetime), [none, short].map(|given| Err(UnfitTime::Lifetime(given))));
        assert_eq!([second, Duration::MAX].map(lifetime), [Ok(second), Ok(Duration::MAX)]);
        let (minute, more) = (Duration::from_secs(60), Duration::from_nanos(60_000_000_001));
        assert_eq!([none, minute].map(leeway), [Ok(none), Ok(minute)]);
        assert_eq!(leeway(more), Err(UnfitTime::Leeway(more)));
    }

    #[test]
    fn the_texts_name_the_limits() {
        let texts =
            [UnfitTime::Lifetime(Duration::ZERO), UnfitTime::Leeway(Duration::MAX)].map(|time| time.to_string());
        assert!(texts[0].contains("less than a second") && SHORTEST_LIFETIME.as_secs() == 1);
        assert!(texts[1].contains(&format!("more than {} seconds", MAX_LEEWAY.as_secs())));
    }
}
