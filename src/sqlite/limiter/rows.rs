//! The rows of the limiter: one for each record, one for what is remembered of an account or client, and one for how
//! many there are.

use rusqlite::params;

use super::aside::Aside;
use super::kinds::{row_of, table_number};
use super::record;
use crate::limiter::step::capacity::Capacity;
use crate::limiter::step::cell::crowd_cell;
use crate::limiter::step::key::{Key, Place};
use crate::limiter::step::known::{KnownAddresses, Told};
use crate::limiter::step::limits::Limits;
use crate::limiter::step::network::crowd;
use crate::limiter::step::records::Counts;
use crate::limiter::step::slots::{Slot, TableKind};
use crate::sqlite::columns::{bytes, get};
use crate::sqlite::counting_key::CountingKey;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

const STATE: &str =
    "SELECT forgotten, pairs, accounts, addresses, wide, known, was_full, shared FROM limiter WHERE row = 1";
const SET_STATE: &str =
    "UPDATE limiter SET pairs = ?1, accounts = ?2, addresses = ?3, wide = ?4, known = ?5, was_full = ?6
    WHERE row = 1";
const GET: &str =
    "SELECT counts, changed FROM limiter_tallies WHERE kind = ?1 AND place = ?2 AND guess = ?3 AND network = ?4";
const PUT: &str = "INSERT INTO limiter_tallies (kind, place, guess, network, counts, changed, forgotten)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind, place, guess, network)
    DO UPDATE SET counts = excluded.counts, changed = excluded.changed, forgotten = excluded.forgotten";
const SWEEP: &str = "DELETE FROM limiter_tallies WHERE (kind, place, guess, network) IN
    (SELECT kind, place, guess, network FROM limiter_tallies
     WHERE kind = ?1 AND place = 0 AND forgotten <= ?2 LIMIT ?3) RETURNING network";
const CROWD: &str = "SELECT rows FROM limiter_crowds WHERE kind = ?1 AND crowd = ?2";
const ADD_TO_CROWD: &str = "INSERT INTO limiter_crowds (kind, crowd, rows) VALUES (?1, ?2, ?3)
    ON CONFLICT (kind, crowd) DO UPDATE SET rows = rows + excluded.rows";
const KNOWN: &str = "SELECT networks, seen, told FROM limiter_known WHERE guess = ?1";
const PUT_KNOWN: &str = "INSERT INTO limiter_known (guess, networks, seen, told, forgotten) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (guess) DO UPDATE
    SET networks = excluded.networks, seen = excluded.seen, told = excluded.told, forgotten = excluded.forgotten";
const SWEEP_KNOWN: &str = "DELETE FROM limiter_known WHERE guess IN
    (SELECT guess FROM limiter_known WHERE forgotten <= ?1 ORDER BY forgotten LIMIT ?2)";
const FIRST_KNOWN: &str = "DELETE FROM limiter_known WHERE guess =
    (SELECT guess FROM limiter_known WHERE forgotten >= 0 ORDER BY forgotten LIMIT 1)";

pub(super) const STATEMENTS: [&str; 11] =
    [STATE, SET_STATE, GET, PUT, SWEEP, CROWD, ADD_TO_CROWD, KNOWN, PUT_KNOWN, SWEEP_KNOWN, FIRST_KNOWN];

/// The most rows that a charge removes of those that are forgotten: a few more than it writes itself, because all who
/// share its transaction wait for them.
const MOST: i64 = 10;

/// Instants of the limiter as a column holds them; the end of all time is the last that fits.
fn column(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// A number of rows.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The record of a slot, as it was read and as a step leaves it.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) slot: Slot,
    key: Key,
    /// Where it lies. None for one that is new, or whose cell this is as long as it has no row of its own.
    place: Option<Place>,
    /// Whether its key may use room that is kept for those that were seen before.
    is_preferred: bool,
    before: Counts,
    pub(super) counts: Counts,
}

impl Held {
    /// A record of which nothing is known.
    pub(super) fn new(slot: Slot, key: Key, place: Option<Place>) -> Self {
        Self { slot, key, place, is_preferred: false, before: Counts::default(), counts: Counts::default() }
    }

    /// Whether others may be counted in it, too.
    pub(super) fn is_shared(&self) -> bool {
        self.place != Some(Place::Own)
    }

    fn read(self, counts: Counts, place: Option<Place>) -> Self {
        Self { place, before: counts, counts, ..self }
    }
}

/// How many rows there are, and which cells may hold something.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    counts: [i64; 4],
    known: i64,
    /// A bit for each kind, and one for the cells of its crowds.
    was_full: i64,
}

/// The limiter's rows within one transaction.
pub(super) struct Rows<'a> {
    pub(super) db: &'a Db,
    pub(super) key: &'a CountingKey,
    pub(super) aside: &'a Aside,
    pub(super) limits: &'a Limits,
    /// In milliseconds; a step may be later, by what its records were changed at.
    pub(super) now: u64,
    before: State,
    state: State,
}

impl<'a> Rows<'a> {
    pub(super) fn open(
        db: &'a Db,
        (key, aside): (&'a CountingKey, &'a Aside),
        limits: &'a Limits,
        now: u64,
    ) -> Result<Self, Failure> {
        let read = |row: &rusqlite::Row<'_>| {
            key.is_of(get(row, 7)?)?;
            let forgotten = get::<i64>(row, 0)?.max(0).cast_unsigned();
            let counts = [get(row, 1)?, get(row, 2)?, get(row, 3)?, get(row, 4)?];
            let state = State { counts, known: get(row, 5)?, was_full: get(row, 6)? };
            Ok(Self { db, key, aside, limits, now: now.max(forgotten.saturating_add(1)), before: state, state })
        };
        db.row(STATE, (), read)?.ok_or(Failure::Row("the state of the limiter"))
    }

    /// Writes how many rows there are, if that changed.
    pub(super) fn close(self) -> Result<(), Failure> {
        if self.state != self.before {
            let State { counts: [pairs, accounts, addresses, wide], known, was_full } = self.state;
            self.db.execute(SET_STATE, params![pairs, accounts, addresses, wide, known, was_full])?;
        }
        Ok(())
    }

    fn has_room(&self, kind: TableKind, key: Key, preferred: bool) -> Result<bool, Failure> {
        let [pairs, accounts, addresses, wide] = self.state.counts;
        let count = match kind {
            TableKind::Pair => pairs,
            TableKind::Account => accounts,
            TableKind::Address => addresses,
            TableKind::Wide => wide,
        };
        let rows = |count: i64| usize::try_from(count).unwrap_or(0);
        Capacity::of(self.limits.capacity).has_room(rows(count), preferred, || {
            let Some(crowd) = crowd(key.1) else { return Ok(0) };
            let found = self.db.row(CROWD, [table_number(kind), whole(crowd)], |row| get::<i64>(row, 0))?;
            Ok(rows(found.unwrap_or(0)))
        })
    }

    /// The bit that tells whether the cell of a key may hold something.
    fn full_bit(kind: TableKind, key: Key, place: Place) -> i64 {
        let crowds = if crowd_cell(key, place).is_some() { 4 } else { 0 };
        1 << table_number(kind).saturating_add(crowds)
    }

    fn at(&self, kind: TableKind, key: Key, place: Place) -> Result<Option<Counts>, Failure> {
        let row = row_of(kind, key, place);
        let found = self.db.row(GET, row, |found| record::read(found, 0))?;
        Ok(found.map(|(counts, print)| {
            let kept = || self.aside.prints.get(row, &counts.tally.to_bytes());
            Counts { tally: counts.tally.with_print(print.unwrap_or_else(kept)), ..counts }
        }))
    }

    /// The record at the place where it was charged, if it is still there.
    pub(super) fn settled(&self, held: Held) -> Result<Held, Failure> {
        let found = held.place.map(|place| self.at(TableKind::of(held.key), held.key, place)).transpose()?.flatten();
        Ok(held.read(found.unwrap_or_default(), held.place))
    }

    /// The record of a key in its own row; for a key without one that of its cell, in which it may have been counted.
    pub(super) fn found(&self, held: Held, is_preferred: bool) -> Result<Held, Failure> {
        let (kind, key) = (TableKind::of(held.key), held.key);
        let held = Held { is_preferred, ..held };
        if let Some(own) = self.at(kind, key, Place::Own)? {
            return Ok(held.read(own, Some(Place::Own)));
        }
        let place = Place::shared(held.slot.has_spared_cells(), held.is_preferred);
        let is_empty = self.state.was_full & Self::full_bit(kind, key, place) == 0;
        let cell = if is_empty { None } else { self.at(kind, key, place)? };
        Ok(held.read(cell.unwrap_or_default(), None))
    }

    /// The same record, with what is remembered of its account or client.
    pub(super) fn remembered(&self, held: Held) -> Result<Held, Failure> {
        let found = self.db.row(KNOWN, [held.key.0.cast_signed()], |row| {
            let time = |column| get::<i64>(row, column).map(|time| time.max(0).cast_unsigned());
            Ok((KnownAddresses::from_networks(&bytes(row, 0)?, time(1)?), Told::of(time(2)?)))
        })?;
        let (known, told) = found.unwrap_or_default();
        let counts = Counts { known, told, ..held.counts };
        Ok(held.read(counts, held.place))
    }

    /// Writes what a step at `now` changed in a record, and answers where it lies from now on.
    pub(super) fn keep(&mut self, held: &Held, now: u64) -> Result<Option<Place>, Failure> {
        let Held { slot, key, place, before, counts, .. } = *held;
        if (counts.known, counts.told) != (before.known, before.told) {
            self.remember(key.0, &counts)?;
        }
        if (counts.tally, counts.number) == (before.tally, before.number) {
            return Ok(place);
        }
        let (place, mut counts) = match place {
            Some(place) => (place, counts),
            None => self.placed(held)?,
        };
        counts.touch(now);
        self.put(TableKind::of(key), key, place, &counts, self.limits.policy.memory(slot))?;
        Ok(Some(place))
    }

    /// Finds room for a key without a row of its own.
    fn placed(&mut self, held: &Held) -> Result<(Place, Counts), Failure> {
        let &Held { slot, key, is_preferred, counts, .. } = held;
        let kind = TableKind::of(key);
        let mut has_room = self.has_room(kind, key, is_preferred)?;
        if !has_room {
            self.sweep(kind)?;
            has_room = self.has_room(kind, key, is_preferred)?;
        }
        if has_room {
            self.add(kind, key.1, 1)?;
            return Ok((
                Place::Own,
                Counts { since: 0, changed: 0, tally: counts.tally.moved(counts.number), ..counts },
            ));
        }
        let place = Place::shared(slot.has_spared_cells(), is_preferred);
        self.state.was_full |= Self::full_bit(kind, key, place);
        Ok((place, counts))
    }

    fn put(&self, kind: TableKind, key: Key, place: Place, counts: &Counts, memory: u64) -> Result<(), Failure> {
        let row = row_of(kind, key, place);
        let [of_table, at, guess, network] = row;
        let written = record::bytes(counts, self.key.keeps_prints());
        let (changed, forgotten) = (column(counts.changed), column(counts.counts_until(memory)));
        self.db.execute(PUT, params![of_table, at, guess, network, written, changed, forgotten])?;
        if !self.key.keeps_prints() {
            self.aside.prints.keep(row, counts.tally.to_bytes(), counts.tally.print());
        }
        Ok(())
    }

    /// Has a key begin anew in its own row; its numbers go on.
    pub(super) fn forget(&self, kind: TableKind, key: Key, mut counts: Counts) -> Result<(), Failure> {
        let now = self.now.max(counts.changed);
        counts.forget();
        counts.touch(now);
        self.put(kind, key, Place::Own, &counts, 0)
    }

    fn sweep(&mut self, kind: TableKind) -> Result<(), Failure> {
        let values = [table_number(kind), column(self.now), MOST];
        let gone = self.db.rows(SWEEP, values, |row| Ok(get::<i64>(row, 0)?.cast_unsigned()))?;
        gone.into_iter().try_for_each(|network| self.add(kind, network, -1))
    }

    /// So many rows of a kind and a network are new, or gone.
    fn add(&mut self, kind: TableKind, network: u64, change: i64) -> Result<(), Failure> {
        let [pairs, accounts, addresses, wide] = &mut self.state.counts;
        let count = match kind {
            TableKind::Pair => pairs,
            TableKind::Account => accounts,
            TableKind::Address => addresses,
            TableKind::Wide => wide,
        };
        *count = count.saturating_add(change);
        if let Some(crowd) = crowd(network) {
            self.db.execute(ADD_TO_CROWD, [table_number(kind), whole(crowd), change])?;
        }
        Ok(())
    }

    fn add_known(&mut self, change: i64) {
        self.state.known = self.state.known.saturating_add(change);
    }

    /// Removes some rows of one kind that are forgotten.
    pub(super) fn tidy(&mut self) -> Result<(), Failure> {
        if let Some(kind) = self.aside.turn() {
            return self.sweep(kind);
        }
        let gone = self.db.execute(SWEEP_KNOWN, [column(self.now), MOST])?;
        self.add_known(i64::try_from(gone).unwrap_or(0).saturating_neg());
        Ok(())
    }

    /// Keeps what is remembered of an account or client, if anything may be.
    fn remember(&mut self, guess: u64, counts: &Counts) -> Result<(), Failure> {
        if self.limits.capacity == 0 {
            return Ok(());
        }
        if self.db.row(KNOWN, [guess.cast_signed()], |_| Ok(()))?.is_none() {
            if self.state.known >= whole(self.limits.capacity) {
                let gone = self.db.execute(FIRST_KNOWN, ())?;
                self.add_known(i64::try_from(gone).unwrap_or(0).saturating_neg());
            }
            self.add_known(1);
        }
        let Counts { known, told, .. } = counts;
        let until = column(counts.remembers_until(self.limits.lifetime));
        let (seen, told) = (column(known.seen()), column(told.until()));
        self.db.execute(PUT_KNOWN, params![guess.cast_signed(), known.networks_to_bytes(), seen, told, until])?;
        Ok(())
    }
}
