//! Removing rows: those of a subject, and what is over.
//!
//! No index leads to what is over: it would be changed by every login. So the rows are looked through once, by the threads that
//! read, and what was found is looked at again where it is removed.

use rusqlite::params;

use super::row::{columns, text, usage};
use crate::boundary::backend::BackendError;
use crate::protocol::usage::day::Day;
use crate::sqlite::columns::get;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;
use crate::sqlite::store::SqliteStore;

/// There are few places, and the rows of a subject lie together in each.
const FORGET: &str = "DELETE FROM usage_rows WHERE subject = ?1 AND place IN
    (SELECT number FROM usage_places WHERE client > '')";
const LOOK_THROUGH: &str = concat!(
    "SELECT place, subject, ",
    columns!(),
    " FROM usage_rows WHERE (place, subject, way) > (?1, ?2, ?3) ORDER BY place, subject, way LIMIT ?4"
);
const FIND: &str = concat!("SELECT ", columns!(), " FROM usage_rows WHERE place = ?1 AND subject = ?2 AND way = ?3");
const REMOVE: &str = "DELETE FROM usage_rows WHERE place = ?1 AND subject = ?2 AND way = ?3";
const REMOVE_COUNTS: &str = "DELETE FROM usage_counts WHERE (day, place, way, writer) IN
    (SELECT day, place, way, writer FROM usage_counts WHERE day < ?1 LIMIT ?2)";

pub(super) const STATEMENTS: [&str; 5] = [FORGET, LOOK_THROUGH, FIND, REMOVE, REMOVE_COUNTS];

/// How many rows are looked through at once: a look-up waits for as long, some milliseconds.
const LOOKED_THROUGH: i64 = 2_000;

/// Removes the rows of a subject, and answers how many there were.
pub(super) fn forget(db: &Db, subject: &str) -> Result<u64, Failure> {
    Ok(db.execute(FORGET, [subject])? as u64)
}

/// The key of a row.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) place: i64,
    pub(super) subject: Box<str>,
    pub(super) way: i64,
}

impl Key {
    /// Before the first one.
    fn start() -> Self {
        Self { place: i64::MIN, subject: "".into(), way: 0 }
    }
}

/// Some rows that are over, and the last row that was looked at, if there may be more behind it.
pub(super) struct Found {
    over: Vec<Key>,
    pub(super) last: Option<Key>,
}

pub(super) fn look_through(db: &Db, after: &Key, before: Day) -> Result<Found, Failure> {
    let mut found = Found { over: Vec::new(), last: None };
    let mut rows = 0_i64;
    let values = params![after.place, after.subject, after.way, LOOKED_THROUGH];
    db.rows(LOOK_THROUGH, values, |row| {
        rows = rows.saturating_add(1);
        let key = || Ok::<_, Failure>(Key { place: get(row, 0)?, subject: text(row, 1)?.into(), way: get(row, 2)? });
        if usage(row, 2)?.is_over(before) {
            found.over.push(key()?);
        }
        if rows == LOOKED_THROUGH {
            found.last = Some(key()?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Removes those of the rows that are still over, and answers how many there were.
fn remove(db: &Db, keys: &[Key], before: Day) -> Result<u64, Failure> {
    let mut removed = 0_u64;
    for Key { place, subject, way } in keys {
        let values = params![place, subject, way];
        if db.row(FIND, values, |row| usage(row, 0))?.is_some_and(|usage| usage.is_over(before)) {
            removed = removed.saturating_add(db.execute(REMOVE, values)? as u64);
        }
    }
    Ok(removed)
}

impl SqliteStore {
    /// Removes what is over, in steps of which each is short.
    pub(super) async fn prune_usage(&self, before: Day) -> Result<u64, BackendError> {
        let mut removed = self.prune_counts(before).await?;
        let mut after = Some(Key::start());
        while let Some(key) = after {
            let found = self.read(move |db| look_through(db, &key, before)).await?;
            after = found.last;
            let mut over = found.over;
            while !over.is_empty() {
                let rest = over.split_off(self.rows_of_a_step().min(over.len()));
                removed = removed.saturating_add(self.remove_some(move |db| remove(db, &over, before)).await?);
                over = rest;
            }
        }
        Ok(removed)
    }

    async fn prune_counts(&self, before: Day) -> Result<u64, BackendError> {
        let mut removed = 0_u64;
        loop {
            let most = self.rows_of_a_step();
            let values = (before.number(), most as i64);
            let rows = self.remove_some(move |db| Ok(db.execute(REMOVE_COUNTS, values)? as u64)).await?;
            removed = removed.saturating_add(rows);
            if rows < most as u64 {
                return Ok(removed);
            }
        }
    }
}
