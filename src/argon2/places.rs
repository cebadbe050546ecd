//! How many jobs may wait: of everybody, of addresses that are known, and of one sender.

/// The least share of a sender, where there are twice as many places: two logins at once are nothing strange.
const LEAST_SHARE: usize = 2;

/// Which parts of the queue are set apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Percents {
    /// Of the places, for one address.
    pub(super) of_one: u8,
    /// Of the places and of the threads' time, for accounts at addresses from which they logged in before.
    pub(super) reserved: u8,
}

/// How many jobs may wait now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// Of everybody.
    pub(super) all: usize,
    /// Of these, how many are kept for accounts at addresses that are known, or lent until one comes.
    pub(super) reserved: usize,
    /// Of one sender in the reserved places.
    pub(super) reserved_shares: Shares,
    /// Of one sender in the others, which a sender at a known address may have, too.
    pub(super) shares: Shares,
}

/// How many places each sender may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// Those of one address.
    pub(super) of_one: usize,
    /// All addresses of one IPv6 /48 together.
    pub(super) of_48: usize,
    /// One account, from all its addresses. It is known only where places are reserved.
    pub(super) of_account: usize,
}

impl Places {
    /// An idle thread has not yet taken the job that it was woken for, so it counts as room for one more, for any sender.
    pub(super) fn new(capacity: usize, percents: Percents, idle: usize) -> Self {
        let reserved = part(capacity, percents.reserved);
        Self {
            all: capacity.saturating_add(idle),
            reserved,
            reserved_shares: Shares::of(reserved, percents.of_one, 0),
            shares: Shares::of(capacity, percents.of_one, idle),
        }
    }
}

impl Shares {
    /// `percent` of the places for each address, at least one place; and twice that for each /48. An account needs no more than
    /// the least.
    fn of(places: usize, percent: u8, idle: usize) -> Self {
        let least = (places / 2).clamp(1, LEAST_SHARE);
        let of_one = part(places, percent).max(least);
        let of_48 = part(places, percent.saturating_mul(2)).max(of_one);
        let [of_one, of_48, of_account] = [of_one, of_48, least].map(|share| share.saturating_add(idle));
        Self { of_one, of_48, of_account }
    }
}

fn part(places: usize, percent: u8) -> usize {
    places.saturating_mul(usize::from(percent.min(100))).checked_div(100).unwrap_or(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(capacity: usize, of_one: u8, reserved: u8, idle: usize) -> Places {
        Places::new(capacity, Percents { of_one, reserved }, idle)
    }

    #[test]
    fn a_share_is_a_part_of_the_queue_but_at_least_two_places_or_half_of_it_and_what_is_idle() {
        for (capacity, percent, idle, all, of_one, of_48) in [
            (100, 25, 0, 100, 25, 50),
            (100, 60, 0, 100, 60, 100),
            (100, 100, 0, 100, 100, 100),
            (100, 255, 0, 100, 100, 100),
            (100, 0, 0, 100, 2, 2),
            (7, 25, 0, 7, 2, 3),
            (4, 25, 0, 4, 2, 2),
            (3, 25, 0, 3, 1, 1),
            (2, 25, 0, 2, 1, 1),
            (1, 25, 0, 1, 1, 1),
            (0, 25, 3, 3, 4, 4),
            (100, 25, 2, 102, 27, 52),
            (usize::MAX, 50, 1, usize::MAX, usize::MAX / 100 + 1, usize::MAX / 100 + 1),
        ] {
            let Places { all: total, shares, .. } = places(capacity, percent, 50, idle);
            assert_eq!((total, shares.of_one, shares.of_48), (all, of_one, of_48), "{capacity} {percent} {idle}");
        }
    }

    #[test]
    fn the_reserved_part_is_rounded_down_so_that_the_others_keep_theirs_and_has_shares_of_its_own() {
        for (capacity, reserved, idle, places_reserved, of_one, of_48, of_account) in [
            (136, 50, 0, 68, 17, 34, 2),
            (136, 50, 3, 68, 17, 34, 2),
            (100, 20, 0, 20, 5, 10, 2),
            (8, 50, 0, 4, 2, 2, 2),
            (4, 50, 0, 2, 1, 1, 1),
            (3, 50, 0, 1, 1, 1, 1),
            (1, 50, 0, 0, 1, 1, 1),
            (0, 50, 2, 0, 1, 1, 1),
            (100, 0, 0, 0, 1, 1, 1),
        ] {
            let Places { reserved: kept, reserved_shares: shares, .. } = places(capacity, 25, reserved, idle);
            let seen = (kept, shares.of_one, shares.of_48, shares.of_account);
            assert_eq!(seen, (places_reserved, of_one, of_48, of_account), "{capacity} {reserved} {idle}");
        }
    }
}
