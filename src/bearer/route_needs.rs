//! What a route needs of a token that is good, and how its user was authenticated (RFC 6750 section 3.1, RFC 9470).

use std::time::{Duration, SystemTime};

use super::refusal::BearerReason;
use crate::protocol::scope::Scope;
use crate::protocol::skew::{MAX_SKEW, is_ahead};
use crate::protocol::token::record::AccessTokenRecord;

/// Needed of each token of a route.
#[derive(Clone, Default)]
pub(super) struct RouteNeeds {
    pub(super) scope: Scope,
    pub(super) second_factor: Option<SecondFactorNeeded>,
}

impl RouteNeeds {
    /// Which of them a token lacks at `now`. Scope comes first: another login of the user would not help there.
    #[inline]
    pub(super) fn lacking(&self, record: &AccessTokenRecord, now: SystemTime) -> Option<BearerReason> {
        if !self.scope.is_subset(record.scope()) {
            return Some(BearerReason::Scope);
        }
        let lacks_factor = self.second_factor.is_some_and(|needed| !needed.is_met(record, now));
        lacks_factor.then_some(BearerReason::SecondFactor)
    }
}

/// A second factor is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecondFactorNeeded {
    /// How long ago the user may have been authenticated, in seconds.
    pub(super) max_age: Option<u64>,
}

impl SecondFactorNeeded {
    /// In whole seconds.
    pub(super) fn within(max_age: Option<Duration>) -> Self {
        Self { max_age: max_age.map(|age| age.as_secs()) }
    }

    /// Both: the shorter time counts.
    pub(super) fn and(self, other: Self) -> Self {
        Self { max_age: self.max_age.into_iter().chain(other.max_age).min() }
    }

    fn is_met(self, record: &AccessTokenRecord, now: SystemTime) -> bool {
        record.methods().has_second_factor()
            && self.max_age.is_none_or(|age| is_recent(record.authenticated_at(), now, age))
    }
}

/// Whether this is at most so many seconds ago. A time that is not known is not, and none from the future.
fn is_recent(at: Option<SystemTime>, now: SystemTime, max_age: u64) -> bool {
    at.filter(|at| !is_ahead(*at, now, MAX_SKEW))
        .is_some_and(|at| now.duration_since(at).unwrap_or_default().as_secs() <= max_age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn an_authentication_is_recent_up_to_its_age_and_not_from_the_future_su_01() {
        let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_millis(seconds)).unwrap();
        let now = at(1_000_000_000);
        for (ago, max_age, is_good) in
            [(0, 0, true), (999, 0, true), (1_000, 0, false), (300_999, 300, true), (301_000, 300, false)]
        {
            assert_eq!(is_recent(Some(at(1_000_000_000 - ago)), now, max_age), is_good, "{ago} {max_age}");
        }
        assert!(is_recent(Some(at(1_000_060_000)), now, 0) && !is_recent(Some(at(1_000_060_001)), now, u64::MAX));
        assert!(!is_recent(None, now, u64::MAX));
    }

    #[test]
    fn of_two_ages_the_shorter_counts_and_none_takes_one_away() {
        let within = |seconds: Option<u64>| SecondFactorNeeded::within(seconds.map(Duration::from_secs));
        for (one, other, both) in
            [(None, None, None), (Some(5), None, Some(5)), (None, Some(7), Some(7)), (Some(5), Some(7), Some(5))]
        {
            assert_eq!(within(one).and(within(other)), within(both));
        }
        assert_eq!(SecondFactorNeeded::within(Some(Duration::from_millis(5_900))), within(Some(5)));
    }
}
