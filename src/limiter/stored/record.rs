//! What is kept under one key, and how it is written.

use crate::boundary::records::RecordStamp;
use crate::limiter::step::known::{KnownAddresses, Told};
use crate::limiter::step::records::Counts;
use crate::limiter::step::tally::Tally;
use crate::protocol::versioned::{self, Unreadable, take};

/// The version of what is written here.
const VERSION: u8 = 1;

/// How many swaps a record remembers.
const SWAPS: usize = 4;

/// The last swaps of a record, the latest first: an attempt that does not know whether its swap happened looks for its stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct History([Option<RecordStamp>; SWAPS]);

impl History {
    pub(super) fn push(&mut self, stamp: RecordStamp) {
        self.0.rotate_right(1);
        if let Some(latest) = self.0.first_mut() {
            *latest = Some(stamp);
        }
    }

    pub(super) fn has(&self, stamp: RecordStamp) -> bool {
        self.0.contains(&Some(stamp))
    }

    /// Whether it tells every swap since the one that was `seen`; since the beginning if there was none.
    pub(super) fn is_whole_since(&self, seen: Option<RecordStamp>) -> bool {
        // As long as there is room for more, nothing was pushed out.
        self.0.contains(&None) || seen.is_some_and(|seen| self.has(seen))
    }
}

/// What is kept under one key. All times are in milliseconds since 1970, by the clock of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) history: History,
    /// When an operator forgot the records that count on it and something else; see [`Touched`](super::touched::Touched).
    pub(super) cleared: u64,
    pub(super) counts: Counts,
    /// Of an account.
    pub(super) locked: LockedNetworks,
}

/// How many networks an account's record names.
const NETWORKS: usize = 8;

/// From where an account was locked last, the latest first: for an operator who asks by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LockedNetworks([u64; NETWORKS]);

impl LockedNetworks {
    /// The oldest goes.
    pub(super) fn push(&mut self, network: u64) {
        let last = self.0.iter().position(|other| *other == network).unwrap_or(NETWORKS.saturating_sub(1));
        if let Some(newer) = self.0.get_mut(..=last) {
            newer.rotate_right(1);
        }
        if let Some(first) = self.0.first_mut() {
            *first = network;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter().filter(|network| *network != 0)
    }
}

/// Why a record cannot be read. It is never overwritten.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum RecordError {
    #[error("a record of attempts is of version {0}, which this version of the program does not know")]
    Later(u8),
    #[error("a record of attempts is damaged: it has {0} bytes")]
    Damaged(usize),
}

fn number(bytes: &mut &[u8]) -> Result<u64, Unreadable> {
    take(bytes).map(u64::from_le_bytes)
}

impl Record {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.push(VERSION);
        for stamp in self.history.0 {
            bytes.extend_from_slice(stamp.as_ref().map_or(&[0; 8][..], |stamp| stamp.as_bytes()));
        }
        let Counts { since, changed, number, tally, known, told } = self.counts;
        for time in [since, changed, self.cleared] {
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&tally.to_bytes());
        bytes.extend_from_slice(&tally.print().to_le_bytes());
        // Most records are of no account.
        if (known, told, self.locked) != Default::default() {
            bytes.extend_from_slice(&known.networks_to_bytes());
            bytes.extend_from_slice(&known.seen().to_le_bytes());
            bytes.extend_from_slice(&told.until().to_le_bytes());
            bytes.extend_from_slice(self.locked.0.map(u64::to_le_bytes).as_flattened());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        versioned::open(bytes, VERSION).and_then(Self::read).map_err(|unreadable| match unreadable {
            Unreadable::Later(version) => RecordError::Later(version),
            Unreadable::Damaged => RecordError::Damaged(bytes.len()),
        })
    }

    fn read(mut rest: &[u8]) -> Result<Self, Unreadable> {
        let rest = &mut rest;
        let mut record = Self::default();
        for stamp in &mut record.history.0 {
            let bytes = take(rest)?;
            *stamp = (bytes != [0; 8]).then(|| RecordStamp::from_bytes(bytes));
        }
        let counts = &mut record.counts;
        (counts.since, counts.changed, record.cleared) = (number(rest)?, number(rest)?, number(rest)?);
        counts.number = u32::from_le_bytes(take(rest)?);
        counts.tally = Tally::from_bytes(&take(rest)?).with_print(u32::from_le_bytes(take(rest)?));
        if !rest.is_empty() {
            counts.known = KnownAddresses::from_networks(&take(rest)?, number(rest)?);
            counts.told = Told::of(number(rest)?);
            for network in &mut record.locked.0 {
                *network = number(rest)?;
            }
        }
        versioned::end(rest)?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::boundary::records::RecordChange;

    fn stamp(number: u64) -> RecordStamp {
        RecordStamp::from_bytes(number.to_be_bytes())
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_through_its_bytes(
            swaps in prop::collection::vec(1_u64.., 0..6), times: [u64; 3], number: u32, counts: [u8; 20], print: u32,
            networks: [u64; 4], seen: u64, told: u64, locked: [u64; 8],
        ) {
            let networks: [u8; 32] = networks.map(u64::to_le_bytes).as_flattened().try_into().unwrap();
            let [since, changed, cleared] = times;
            let tally = Tally::from_bytes(&counts).with_print(print);
            let (known, told) = (KnownAddresses::from_networks(&networks, seen), Told::of(told));
            let counts = Counts { since, changed, number, tally, known, told };
            let locked = LockedNetworks(locked);
            let mut record = Record { cleared, counts, locked, ..Record::default() };
            swaps.iter().for_each(|swap| record.history.push(stamp(*swap)));
            let of_no_account = Counts { known: KnownAddresses::default(), told: Told::default(), ..counts };
            for record in [record, Record { counts: of_no_account, locked: LockedNetworks::default(), ..record }] {
                let bytes = record.to_bytes();
                prop_assert!(bytes.len() <= RecordChange::MOST_BYTES);
                prop_assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
                // None of its beginnings is taken for a whole one, unless what is cut off is of an account.
                for length in 0..bytes.len() {
                    let cut = Record::from_bytes(&bytes[..length]);
                    prop_assert!(cut.is_err() || length == bytes.len() - 112);
                }
            }
        }

        #[test]
        fn any_other_bytes_are_an_error_and_a_later_version_is_told(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            match (Record::from_bytes(&bytes), bytes.first()) {
                (Err(RecordError::Later(version)), Some(first)) => prop_assert!(version == *first && version > VERSION),
                (Err(RecordError::Damaged(length)), _) => prop_assert_eq!(length, bytes.len()),
                (Ok(_), Some(first)) => prop_assert_eq!(*first, VERSION),
                (read, first) => prop_assert!(false, "{read:?} {first:?}"),
            }
        }
    }

    #[test]
    fn an_account_names_the_networks_that_it_was_locked_from_last() {
        let mut locked = LockedNetworks::default();
        [1, 2, 3, 2].into_iter().for_each(|network| locked.push(network));
        assert_eq!(locked.iter().collect::<Vec<_>>(), [2, 3, 1]);
        (10..20).for_each(|network| locked.push(network));
        assert_eq!(locked.iter().collect::<Vec<_>>(), (12..20).rev().collect::<Vec<_>>());
    }

    #[test]
    fn the_last_four_swaps_are_known_and_whether_there_were_more() {
        let mut history = History::default();
        assert!(history.is_whole_since(None));
        for number in 1..=4 {
            history.push(stamp(number));
            assert!(history.has(stamp(number)) && history.is_whole_since(Some(stamp(1))));
            assert_eq!(history.is_whole_since(None), number < 4);
        }
        history.push(stamp(5));
        assert!(!history.has(stamp(1)) && history.has(stamp(2)));
        assert!(!history.is_whole_since(Some(stamp(1))) && history.is_whole_since(Some(stamp(2))));
        assert!(!history.is_whole_since(None));
    }
}
