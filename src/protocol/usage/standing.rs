//! Where one user of one client stands: what "only by password", "moved" and "fallen back" mean, and nothing else says it.

use super::day::{Day, DayRange};
use super::row::Usage;

/// The logins of one user on one side: those that a password began, or all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Side {
    /// First login (later than the last one if none is known), last login, last seen by login or refresh.
    days: Option<(Day, Day, Day)>,
    refreshed: Option<Day>,
    families_end: Option<Day>,
}

impl Side {
    fn add(&mut self, usage: Usage) {
        let (first, last, seen) = self.days.unwrap_or((usage.first, usage.last, usage.seen()));
        self.days = Some((first.min(usage.first), last.max(usage.last), seen.max(usage.seen())));
        self.refreshed = self.refreshed.max(usage.refreshed);
        self.families_end = self.families_end.max(usage.families_end);
    }

    fn is_seen(self, window: DayRange) -> bool {
        self.days.is_some_and(|(first, _, seen)| window.meets(first.min(seen), seen))
    }
}

/// One user of one client over all ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    password: Side,
    other: Side,
}

impl Standing {
    pub(crate) fn add(&mut self, usage: Usage) {
        if usage.is_by_password { self.password.add(usage) } else { self.other.add(usage) }
    }

    /// By a login or a refresh, whatever the way.
    pub(crate) fn is_seen(self, window: DayRange) -> bool {
        self.password.is_seen(window) || self.other.is_seen(window)
    }

    /// A password is all that the user was seen by: logins that a password began, and refreshes of what they gave.
    pub(crate) fn is_only_by_password(self, window: DayRange) -> bool {
        self.password.is_seen(window) && !self.other.is_seen(window)
    }

    /// There was a login without a password on an earlier day, and one by a password again. A refresh of what an older password
    /// login gave is no falling back.
    pub(crate) fn has_fallen_back(self, window: DayRange) -> bool {
        let (Some((began, last, _)), Some((first, ..))) = (self.password.days, self.other.days) else { return false };
        window.meets(began, last) && first < last
    }

    /// Seen without a password, by one once, and not fallen back.
    pub(crate) fn has_moved(self, window: DayRange) -> bool {
        self.other.is_seen(window) && self.password.days.is_some() && !self.has_fallen_back(window)
    }

    /// The last login by password.
    pub(crate) fn last_password_login(self) -> Option<Day> {
        self.password.days.filter(|(first, last, _)| first <= last).map(|(_, last, _)| last)
    }

    /// The last refresh of what a login by password gave.
    pub(crate) fn last_password_refresh(self) -> Option<Day> {
        self.password.refreshed
    }

    /// From when on nothing lives that a login by password gave.
    pub(crate) fn password_families_end(self) -> Option<Day> {
        self.password.families_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::usage::way::LoginWay::{Elsewhere, Password};

    fn by(is_by_password: bool, first: u32, last: u32) -> Usage {
        let way = if is_by_password { Password } else { Elsewhere };
        Usage::new(way, is_by_password, Day::default()).with_logins(Day::from_number(first), Day::from_number(last))
    }

    fn refreshed(usage: Usage, day: u32) -> Usage {
        usage.with_refreshed(Some(Day::from_number(day)))
    }

    /// Seen, only by password, moved, fallen back, in the days 70 to 99.
    fn stands(usages: &[Usage]) -> [bool; 4] {
        let window = DayRange::new(Day::from_number(70), Day::from_number(99));
        let mut standing = Standing::default();
        usages.iter().for_each(|usage| standing.add(*usage));
        [
            standing.is_seen(window),
            standing.is_only_by_password(window),
            standing.has_moved(window),
            standing.has_fallen_back(window),
        ]
    }

    #[test]
    fn a_user_is_only_by_password_who_was_seen_by_nothing_else_in_the_window() {
        assert_eq!(stands(&[by(true, 1, 70)]), [true, true, false, false]);
        assert_eq!(stands(&[by(true, 1, 69)]), [false; 4]);
        assert_eq!(stands(&[refreshed(by(true, 1, 1), 99)]), [true, true, false, false]);
        assert_eq!(stands(&[by(true, 90, 90), by(false, 90, 90)]), [true, false, true, false]);
        assert_eq!(stands(&[by(false, 90, 90)]), [true, false, false, false]);
    }

    #[test]
    fn a_user_has_moved_whose_last_password_is_not_after_the_first_login_without() {
        assert_eq!(stands(&[by(true, 1, 80), by(false, 80, 99)]), [true, false, true, false]);
        assert_eq!(stands(&[by(true, 1, 81), by(false, 80, 99)]), [true, false, false, true]);
        // The tokens of an older password login go on for a while.
        assert_eq!(stands(&[refreshed(by(true, 1, 80), 99), by(false, 80, 99)]), [true, false, true, false]);
        // What was once is over.
        assert_eq!(stands(&[by(true, 1, 60), by(false, 50, 99)]), [true, false, true, false]);
        assert_eq!(stands(&[by(true, 1, 60), by(false, 50, 69)]), [false; 4]);
    }

    #[test]
    fn a_refresh_of_a_login_of_which_no_day_is_known_is_seen_and_is_no_login() {
        let day = Day::from_number;
        let refresh = |is_by_password| Usage::of_refresh(Password, is_by_password, day(90));
        assert_eq!(stands(&[refresh(true)]), [true, true, false, false]);
        // It is after the first login without a password, and no falling back.
        assert_eq!(stands(&[refresh(true), by(false, 80, 80)]), [true, false, true, false]);
        assert_eq!(stands(&[refresh(false), by(true, 95, 95)]), [true, false, true, false]);
        let mut standing = Standing::default();
        standing.add(refresh(true));
        assert_eq!((standing.last_password_login(), standing.last_password_refresh()), (None, Some(day(90))));
        // In either order a login is as it was.
        for merged in [refresh(true).merged(by(true, 60, 70)), by(true, 60, 70).merged(refresh(true))] {
            assert_eq!((merged.first, merged.last, merged.refreshed), (day(60), day(70), Some(day(90))));
        }
    }

    #[test]
    fn a_user_who_fell_back_and_stayed_there_is_only_by_password_again() {
        assert_eq!(stands(&[by(true, 1, 99), by(false, 50, 60)]), [true, true, false, true]);
    }
}
