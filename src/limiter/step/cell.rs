//! In which cell a key without a place of its own is counted. Engines that keep their cells must find them again: a change
//! here is a change of what they stored.

use super::key::{GuessKind, Key, Place, kind};
use super::network::{CROWDS, Tier, crowd, tier};

/// The kinds of keys of one width that have different budgets: accounts, clients, addresses. They share no cells.
pub(crate) const KINDS: usize = 3;

/// The cell in which a key of IPv6 without its own is counted; `None` for others.
#[inline]
pub(crate) fn crowd_cell((guess, network): Key, place: Place) -> Option<usize> {
    let crowd = crowd(network).filter(|_| place == Place::Shared)?;
    let kind = match guess {
        0 => 2,
        guess => usize::from(kind(guess) != GuessKind::Account),
    };
    let width = match tier(network) {
        None => 0,
        Some(Tier::Net56) => 1,
        Some(Tier::Net48) => 2_usize,
    };
    Some(width.saturating_mul(KINDS).saturating_add(kind).saturating_mul(CROWDS).saturating_add(crowd))
}

/// How many cells there are for accounts and addresses, and how many each for other kinds and preferred keys.
#[inline]
pub(crate) fn cell_counts(capacity: usize) -> (usize, usize) {
    let accounts = capacity.next_power_of_two();
    (accounts, (accounts / 8).max(4))
}

/// The cell in which a key without a tally of its own is counted.
pub(crate) fn cell_of(capacity: usize, (guess, network): Key, place: Place) -> usize {
    // Other bits than those that chose the shard.
    let hash = guess.rotate_right(32) ^ network.rotate_right(48);
    let hash = usize::try_from(hash & 0x7fff_ffff).unwrap_or(0);
    let (accounts, others) = cell_counts(capacity);
    let other = accounts.saturating_add(hash & others.saturating_sub(1));
    match place {
        Place::Spared => {
            // A half for accounts, and a quarter each for clients and for second factors.
            let (first, count) = match kind(guess) {
                GuessKind::Account => (0, others / 2),
                GuessKind::Client | GuessKind::Nobody => (others / 2, others / 4),
                GuessKind::Factor | GuessKind::RecoveryCode | GuessKind::Delivery => {
                    ((others / 2).saturating_add(others / 4), others / 4)
                }
            };
            accounts.saturating_add(others).saturating_add(first).saturating_add(hash & count.saturating_sub(1))
        }
        _ if kind(guess) != GuessKind::Account => other,
        _ => hash & accounts.saturating_sub(1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::limiter::step::key::with_kind;

    #[test]
    fn accounts_clients_and_second_factors_whose_budgets_differ_share_no_cell() {
        for capacity in [0, 1, 2, 8, 100, 4096] {
            let cells = |kind: GuessKind, place: Place| {
                (0..10_000_u64).map(move |n| cell_of(capacity, (with_kind(n << 32 | n, kind as u64), 0), place))
            };
            let all: [HashSet<usize>; 5] = [
                cells(GuessKind::Account, Place::Shared).collect(),
                cells(GuessKind::Client, Place::Shared).collect(),
                cells(GuessKind::Account, Place::Spared).collect(),
                cells(GuessKind::Client, Place::Spared).collect(),
                cells(GuessKind::Factor, Place::Spared).collect(),
            ];
            let count: usize = all.iter().map(HashSet::len).sum();
            assert_eq!(all.iter().flatten().collect::<HashSet<_>>().len(), count, "{capacity}");
            let (accounts, others) = cell_counts(capacity);
            assert!(all.iter().flatten().all(|cell| *cell < accounts + others + others), "{capacity}");
        }
    }
}
