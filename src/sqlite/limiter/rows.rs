//! The rows of the limiter: one for each tally, and one for the whole.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::params;

use super::record;
use crate::protection::known::{KnownAddresses, KnownBytes};
use crate::protection::network::crowd;
use crate::protection::slots::Slot;
use crate::protection::table::{Key, Place, cell_of, crowd_cell, quota};
use crate::protection::tally::{Tally, TallyBytes};
use crate::sqlite::columns::{bytes, get};
use crate::sqlite::counting_key::CountingKey;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

const STATE: &str =
    "SELECT number, clock, pairs, accounts, addresses, wide, known, was_full, shared FROM limiter WHERE row = 1";
const SET_STATE: &str = "UPDATE limiter SET number = ?1, clock = ?2, pairs = ?3, accounts = ?4, addresses = ?5,
    wide = ?6, known = ?7, was_full = ?8 WHERE row = 1";
const GET: &str = "SELECT tally FROM limiter_tallies WHERE kind = ?1 AND place = ?2 AND guess = ?3 AND network = ?4";
const PUT: &str = "INSERT INTO limiter_tallies (kind, place, guess, network, tally, forgotten)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (kind, place, guess, network) DO UPDATE SET tally = excluded.tally, forgotten = excluded.forgotten";
const REMOVE: &str = "DELETE FROM limiter_tallies WHERE kind = ?1 AND place = ?2 AND guess = ?3 AND network = ?4";
const SWEEP: &str = "DELETE FROM limiter_tallies WHERE (kind, place, guess, network) IN
    (SELECT kind, place, guess, network FROM limiter_tallies
     WHERE kind = ?1 AND place = 0 AND forgotten <= ?2 LIMIT ?3) RETURNING network";
const CROWD: &str = "SELECT rows FROM limiter_crowds WHERE kind = ?1 AND crowd = ?2";
const ADD_TO_CROWD: &str = "INSERT INTO limiter_crowds (kind, crowd, rows) VALUES (?1, ?2, ?3)
    ON CONFLICT (kind, crowd) DO UPDATE SET rows = rows + excluded.rows";
const KNOWN: &str = "SELECT networks, seen FROM limiter_known WHERE guess = ?1";
const PUT_KNOWN: &str = "INSERT INTO limiter_known (guess, networks, seen) VALUES (?1, ?2, ?3)
    ON CONFLICT (guess) DO UPDATE SET networks = excluded.networks, seen = excluded.seen";
const SWEEP_KNOWN: &str = "DELETE FROM limiter_known WHERE guess IN
    (SELECT guess FROM limiter_known WHERE seen <= ?1 ORDER BY seen LIMIT ?2)";
const OLDEST_KNOWN: &str = "DELETE FROM limiter_known WHERE guess =
    (SELECT guess FROM limiter_known WHERE seen >= 0 ORDER BY seen LIMIT 1)";

pub(super) const STATEMENTS: [&str; 12] =
    [STATE, SET_STATE, GET, PUT, REMOVE, SWEEP, CROWD, ADD_TO_CROWD, KNOWN, PUT_KNOWN, SWEEP_KNOWN, OLDEST_KNOWN];

/// For how many keys the number of shared cells is right. Fixed, because what was counted in a cell must be found there
/// under another capacity, too.
const CELLS: usize = 1 << 16;
/// The most rows that a charge removes of those that are forgotten: a few more than it writes itself, because all who share
/// its transaction wait for them.
const MOST: i64 = 10;
/// What the charges remove, in turn; `None` are the known addresses. Eight charges add at most eight rows of each kind, and
/// 32 of wide networks, so that more is removed than they can add.
const TURNS: [Option<Kind>; 8] = [
    Some(Kind::Pair),
    Some(Kind::Wide),
    Some(Kind::Account),
    Some(Kind::Wide),
    Some(Kind::Address),
    Some(Kind::Wide),
    None,
    Some(Kind::Wide),
];
/// The most fingerprints in memory.
const MOST_PRINTS: usize = 65_536;

/// What a tally is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Pair,
    Account,
    Address,
    /// An IPv6 network that is wider than a /64, with an account or client or alone.
    Wide,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Pair, Self::Account, Self::Address, Self::Wide];

    pub(super) const fn of(slot: Slot) -> Self {
        match slot {
            Slot::Pair => Self::Pair,
            Slot::Account => Self::Account,
            Slot::Address => Self::Address,
            Slot::Pair56 | Slot::Net56 | Slot::Pair48 | Slot::Net48 => Self::Wide,
        }
    }

    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Pair => 0,
            Self::Account => 1,
            Self::Address => 2,
            Self::Wide => 3,
        }
    }

    /// Whether preferred keys have cells of their own.
    fn shared(self, preferred: bool) -> Place {
        if preferred && self == Self::Pair { Place::Spared } else { Place::Shared }
    }
}

/// The place of a row and the two halves of its key. A cell is its own key.
fn row_of(key: Key, place: Place) -> (i64, i64, i64) {
    let cell = || i64::try_from(cell_of(CELLS, key, place)).unwrap_or(0);
    if let Some(crowd) = crowd_cell(key, place) {
        // Several for each crowd, by bits that the crowd does not choose.
        let one = ((key.0 >> 32 ^ key.1 >> 16) & 63).cast_signed();
        return (3, i64::try_from(crowd).unwrap_or(0), one);
    }
    match place {
        Place::Own => (0, key.0.cast_signed(), key.1.cast_signed()),
        Place::Shared => (1, cell(), 0),
        Place::Spared => (2, cell(), 0),
    }
}

/// Instants of the limiter as a column holds them; the end of all time is the last that fits.
fn column(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// A number of rows.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Which secret was denied last, for each row: where it must not lie in the file, only in memory, and only as long as the row is
/// as the denial left it.
#[derive(Default)]
pub(super) struct Prints(Mutex<HashMap<RowKey, (TallyBytes, u32)>>);

/// The kind and key of a row.
type RowKey = (Kind, i64, i64, i64);

impl Prints {
    fn get(&self, key: RowKey, written: &TallyBytes) -> u32 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&key).filter(|(as_left, _)| as_left == written).map_or(0, |(_, print)| *print)
    }

    fn keep(&self, key: RowKey, written: TallyBytes, print: u32) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if print == 0 {
            kept.remove(&key);
            return;
        }
        // Without its fingerprint a secret counts again, which is never too little.
        if kept.len() >= MOST_PRINTS {
            kept.clear();
        }
        kept.insert(key, (written, print));
    }
}

/// The limiter's rows within one transaction.
pub(super) struct Rows<'a> {
    pub(super) db: &'a Db,
    key: &'a CountingKey,
    prints: &'a Prints,
    capacity: usize,
    /// The number of the last reservation.
    pub(super) number: u32,
    /// The latest time that was counted at.
    pub(super) clock: u64,
    counts: [i64; 4],
    known: i64,
    /// A bit for each kind, and one for the cells of its crowds.
    was_full: i64,
}

impl<'a> Rows<'a> {
    pub(super) fn open(
        db: &'a Db,
        (key, prints): (&'a CountingKey, &'a Prints),
        capacity: usize,
    ) -> Result<Self, Failure> {
        let read = |row: &rusqlite::Row<'_>| {
            key.is_of(get(row, 8)?)?;
            Ok(Self {
                db,
                key,
                prints,
                capacity,
                number: get(row, 0)?,
                clock: get::<i64>(row, 1)?.max(0).cast_unsigned(),
                counts: [get(row, 2)?, get(row, 3)?, get(row, 4)?, get(row, 5)?],
                known: get(row, 6)?,
                was_full: get(row, 7)?,
            })
        };
        db.row(STATE, (), read)?.ok_or(Failure::Row("the state of the limiter"))
    }

    /// Writes what changed for the whole.
    pub(super) fn close(&self) -> Result<(), Failure> {
        let [pairs, accounts, addresses, wide] = self.counts;
        let clock = column(self.clock);
        let values = params![self.number, clock, pairs, accounts, addresses, wide, self.known, self.was_full];
        self.db.execute(SET_STATE, values)?;
        Ok(())
    }

    fn count(&mut self, kind: Kind, change: i64) {
        let [pairs, accounts, addresses, wide] = &mut self.counts;
        let count = match kind {
            Kind::Pair => pairs,
            Kind::Account => accounts,
            Kind::Address => addresses,
            Kind::Wide => wide,
        };
        *count = count.saturating_add(change);
    }

    /// Whether a new key may have a row of its own. The last eighth of the room is kept for keys that are `preferred`, and the
    /// networks of one /48 have at most a sixteenth without.
    fn has_room(&self, kind: Kind, key: Key, preferred: bool) -> Result<bool, Failure> {
        let [pairs, accounts, addresses, wide] = self.counts;
        let count = match kind {
            Kind::Pair => pairs,
            Kind::Account => accounts,
            Kind::Address => addresses,
            Kind::Wide => wide,
        };
        let kept = if preferred { 0 } else { self.capacity / 8 };
        if count >= whole(self.capacity.saturating_sub(kept)) {
            return Ok(false);
        }
        let Some(crowd) = crowd(key.1).filter(|_| !preferred) else { return Ok(true) };
        let rows = self.db.row(CROWD, [kind.number(), whole(crowd)], |row| get::<i64>(row, 0))?;
        Ok(rows.unwrap_or(0) < whole(quota(self.capacity)))
    }

    /// The bit that tells whether the cell of a key may hold something.
    fn full_bit(kind: Kind, key: Key, place: Place) -> i64 {
        let crowds = if crowd_cell(key, place).is_some() { 4 } else { 0 };
        1 << kind.number().saturating_add(crowds)
    }

    /// The tally at a place, if there is one.
    pub(super) fn at(&self, kind: Kind, key: Key, place: Place) -> Result<Option<Tally>, Failure> {
        let row = row_of(key, place);
        let found = self.db.row(GET, [kind.number(), row.0, row.1, row.2], |found| record::read(found, 0))?;
        Ok(found.map(|(tally, print)| {
            let kept = || self.prints.get((kind, row.0, row.1, row.2), &tally.to_bytes());
            tally.with_print(print.unwrap_or_else(kept))
        }))
    }

    /// The tally of a key, and whether it is its own; for a key without its own that of its cell, in which it may have been
    /// counted.
    pub(super) fn get(&self, kind: Kind, key: Key, preferred: bool) -> Result<(Tally, bool), Failure> {
        if let Some(own) = self.at(kind, key, Place::Own)? {
            return Ok((own, true));
        }
        let place = kind.shared(preferred);
        if self.was_full & Self::full_bit(kind, key, place) == 0 {
            return Ok((Tally::default(), false));
        }
        Ok((self.at(kind, key, place)?.unwrap_or_default(), false))
    }

    /// Writes a tally where it lies.
    pub(super) fn set(&self, kind: Kind, key: Key, place: Place, tally: Tally, memory: u64) -> Result<(), Failure> {
        let row = row_of(key, place);
        let written = record::bytes(tally, self.key.keeps_prints());
        let forgotten = column(tally.forgotten_at(memory));
        self.db.execute(PUT, params![kind.number(), row.0, row.1, row.2, written, forgotten])?;
        if !self.key.keeps_prints() {
            self.prints.keep((kind, row.0, row.1, row.2), tally.to_bytes(), tally.print());
        }
        Ok(())
    }

    /// Stores the tally of a key, which the latest reservation charged.
    pub(super) fn put(
        &mut self,
        kind: Kind,
        key: Key,
        mut tally: Tally,
        memory: u64,
        preferred: bool,
    ) -> Result<Place, Failure> {
        let mut place = Place::Own;
        if self.at(kind, key, Place::Own)?.is_none() {
            let mut has_room = self.has_room(kind, key, preferred)?;
            if !has_room {
                self.sweep(kind)?;
                has_room = self.has_room(kind, key, preferred)?;
            }
            if has_room {
                self.add(kind, key.1, 1)?;
                // It may come from a cell, where others' charges are older than what the key has here.
                tally = tally.moved(self.number);
            } else {
                place = kind.shared(preferred);
                self.was_full |= Self::full_bit(kind, key, place);
            }
        }
        self.set(kind, key, place, tally, memory)?;
        Ok(place)
    }

    /// Forgets a key of its own, and tells whether there was one. A cell holds other keys' charges too and stays.
    pub(super) fn forget(&mut self, kind: Kind, key: Key) -> Result<bool, Failure> {
        let row = row_of(key, Place::Own);
        let is_gone = self.db.execute(REMOVE, [kind.number(), row.0, row.1, row.2])? > 0;
        if is_gone {
            self.add(kind, key.1, -1)?;
        }
        Ok(is_gone)
    }

    fn sweep(&mut self, kind: Kind) -> Result<(), Failure> {
        let values = [kind.number(), column(self.clock), MOST];
        let gone = self.db.rows(SWEEP, values, |row| Ok(get::<i64>(row, 0)?.cast_unsigned()))?;
        gone.into_iter().try_for_each(|network| self.add(kind, network, -1))
    }

    /// So many rows of a kind and a network are new, or gone.
    pub(super) fn add(&mut self, kind: Kind, network: u64, change: i64) -> Result<(), Failure> {
        self.count(kind, change);
        if let Some(crowd) = crowd(network) {
            self.db.execute(ADD_TO_CROWD, [kind.number(), whole(crowd), change])?;
        }
        Ok(())
    }

    /// Removes some rows of one kind that are forgotten.
    pub(super) fn tidy(&mut self, lifetime: u64) -> Result<(), Failure> {
        let turns = u32::try_from(TURNS.len()).unwrap_or(u32::MAX);
        let turn = usize::try_from(self.number.checked_rem(turns).unwrap_or(0)).unwrap_or(0);
        if let Some(kind) = TURNS.get(turn).copied().flatten() {
            return self.sweep(kind);
        }
        if let Some(before) = self.clock.checked_sub(lifetime) {
            let gone = self.db.execute(SWEEP_KNOWN, [column(before), MOST])?;
            self.known = self.known.saturating_sub(i64::try_from(gone).unwrap_or(0));
        }
        Ok(())
    }

    /// The networks from which a guess succeeded before and when it last did.
    pub(super) fn known(&self, guess: u64) -> Result<Option<KnownAddresses>, Failure> {
        self.db.row(KNOWN, [guess.cast_signed()], |row| {
            let seen = get::<i64>(row, 1)?.max(0).cast_unsigned();
            Ok(KnownAddresses::from_networks(&bytes(row, 0)?, seen))
        })
    }

    /// Remembers that a guess succeeded from a network at `seen`, and tells whether anything is remembered at all.
    pub(super) fn remember(&mut self, guess: u64, network: u64, seen: u64, lifetime: u64) -> Result<bool, Failure> {
        if self.capacity == 0 {
            return Ok(false);
        }
        let found = self.known(guess)?;
        if found.is_none() {
            if self.known >= whole(self.capacity) {
                let gone = self.db.execute(OLDEST_KNOWN, ())?;
                self.known = self.known.saturating_sub(i64::try_from(gone).unwrap_or(0));
            }
            self.known = self.known.saturating_add(1);
        }
        let mut known = found.unwrap_or_default();
        known.remember(network, seen, lifetime);
        let written: KnownBytes = known.networks_to_bytes();
        self.db.execute(PUT_KNOWN, params![guess.cast_signed(), written, column(known.seen())])?;
        Ok(true)
    }
}
