//! Days in UTC.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

const SECONDS: u64 = 86_400;
/// After so many days the calendar begins anew, with the same weekday.
const DAYS_OF_400_YEARS: u32 = 146_097;
const MONTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A day in UTC: the days since 1970-01-01, which is 0. It prints and serializes as `2026-04-07`.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use tower_password_grant::usage::Day;
///
/// let noon = UNIX_EPOCH + Duration::from_secs(20_550 * 86_400 + 43_200);
/// assert_eq!(Day::of(noon).to_string(), "2026-04-07");
/// assert_eq!(Day::from_which(noon).to_string(), "2026-04-08");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(u32);

impl Day {
    /// The day with this number: 0 is 1970-01-01.
    #[must_use]
    pub const fn from_number(days: u32) -> Self {
        Self(days)
    }

    /// Its number: the days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The day of an instant. Those before 1970 are of the first day, and those beyond the last one of the last.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(u32::try_from(seconds / SECONDS).unwrap_or(u32::MAX))
    }

    /// The first day that begins at this instant or after it: what ends at `time` is over on the whole of this day.
    #[must_use]
    pub fn from_which(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let is_begun = since.subsec_nanos() > 0 || !since.as_secs().is_multiple_of(SECONDS);
        Self(Self::of(time).0.saturating_add(u32::from(is_begun)))
    }

    /// The day that lies so many days before this one; the first if there is none.
    #[must_use]
    pub const fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// The day that lies so many days after this one; the last if there is none.
    #[must_use]
    pub const fn after(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut year = (self.0 / DAYS_OF_400_YEARS).saturating_mul(400).saturating_add(1970);
        let mut rest = self.0 % DAYS_OF_400_YEARS;
        let days_of = |year| if is_leap(year) { 366 } else { 365 };
        while let Some(later) = rest.checked_sub(days_of(year)) {
            (year, rest) = (year.saturating_add(1), later);
        }
        let mut month = 1_u32;
        for days in MONTHS {
            let days = if month == 2 && is_leap(year) { 29 } else { days };
            let Some(later) = rest.checked_sub(days) else { break };
            (month, rest) = (month.saturating_add(1), later);
        }
        write!(f, "{year:04}-{month:02}-{:02}", rest.saturating_add(1))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The days from one to another, both of them too. There is none in it if the last is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct DayRange {
    /// The first day.
    pub first: Day,
    /// The last day.
    pub last: Day,
}

impl DayRange {
    /// The days from `first` to `last`, both of them too.
    #[must_use]
    pub const fn new(first: Day, last: Day) -> Self {
        Self { first, last }
    }

    /// The days of a window that ends with the day `last`: rounded up to whole days, one at least.
    #[must_use]
    pub fn up_to(last: Day, window: Duration) -> Self {
        // The last day is one of them.
        let before = window.as_secs().saturating_sub(1) / SECONDS;
        Self { first: last.before(u32::try_from(before).unwrap_or(u32::MAX)), last }
    }

    /// Whether a day lies in it.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    /// Whether what began on the one day and was last seen on the other was seen in it. That is exact as long as nothing was seen
    /// after its last day.
    #[must_use]
    pub fn meets(self, began: Day, seen: Day) -> bool {
        began <= self.last && self.first <= seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_prints_as_the_calendar_has_it() {
        let cases = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (20_550, "2026-04-07"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
            (146_097, "2370-01-01"),
        ];
        for (number, text) in cases {
            assert_eq!(Day::from_number(number).to_string(), text);
        }
        // Another library's calendar agrees, to the end of the years that it can write.
        for number in (0..2_932_896_u32).step_by(97) {
            let noon = UNIX_EPOCH + Duration::from_secs(u64::from(number) * SECONDS + SECONDS / 2);
            let theirs = httpdate::fmt_http_date(noon);
            let words: Vec<&str> = theirs.split([' ', ',']).collect();
            let ours = Day::of(noon).to_string();
            assert_eq!((&ours[..4], &ours[8..]), (words[4], words[2]), "{theirs}");
        }
        assert_eq!(Day::from_number(u32::MAX).to_string().len(), "11761191-01-20".len());
    }

    #[test]
    fn the_edge_of_a_day_is_midnight_in_utc() {
        let midnight = UNIX_EPOCH + Duration::from_secs(20_550 * SECONDS);
        let before = midnight - Duration::from_nanos(1);
        assert_eq!((Day::of(before), Day::of(midnight)), (Day(20_549), Day(20_550)));
        assert_eq!((Day::from_which(before), Day::from_which(midnight)), (Day(20_550), Day(20_550)));
        assert_eq!(Day::from_which(midnight + Duration::from_nanos(1)), Day(20_551));
        let ages_ago = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!((Day::of(ages_ago), Day::from_which(ages_ago)), (Day(0), Day(0)));
    }

    #[test]
    fn a_window_has_whole_days_and_one_at_least() {
        let today = Day(100);
        for (seconds, first) in [(0, 100), (1, 100), (SECONDS, 100), (SECONDS + 1, 99), (30 * SECONDS, 71)] {
            assert_eq!(DayRange::up_to(today, Duration::from_secs(seconds)).first, Day(first), "{seconds}");
        }
        let longest = DayRange::up_to(today, Duration::MAX);
        assert_eq!(longest, DayRange::new(Day(0), today));
        assert!(longest.contains(today) && !longest.contains(Day(101)));
    }
}
