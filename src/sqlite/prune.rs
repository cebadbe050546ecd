//! Removing what is over, in steps that are short on this disk, so that no request waits for long.
//!
//! What a step takes is mostly what its commit takes, which writes every page that it touched: rows that end together
//! lie on as many pages as they have random keys. So a step has a number of rows that follows from what the steps
//! before it took.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::params;

use super::columns::get;
use super::db::Db;
use super::failure::Failure;
use super::log::OldPages;
use super::time::{CountingTime, ForwardTime, floor};
use crate::boundary::clock::Clock;
use crate::boundary::sync::held;
use crate::protocol::factor::authenticator::ENROLMENT;
use crate::protocol::token::lineage::{Lineage, LineageError, PREDECESSOR_KEPT};

/// How long a step may take, with its commit. A write that comes meanwhile waits for as long.
const TIME: Duration = Duration::from_millis(5);
/// The part of it that is for finding and removing the rows.
const WORK: Duration = Duration::from_micros(2500);
/// The rows of the first step.
const FIRST: u32 = 32;
/// The least rows of a step: where a commit alone takes longer, fewer would help nobody, and there must be an end.
const LEAST: u32 = 16;
/// The most rows of a step, however fast the disk.
const MOST: u32 = 256;

const SPENT_VALUES: &str = "DELETE FROM spent_values WHERE digest IN
    (SELECT digest FROM spent_values WHERE expires <= ?1 LIMIT ?2)";
const ACCESS_TOKENS: &str = "DELETE FROM access_tokens WHERE (login, number) IN
    (SELECT login, number FROM access_tokens WHERE expires <= ?1 LIMIT ?2)";
/// What hides the access tokens of a family that was ended stays as long as they do.
const REFRESH_FAMILIES: &str = "DELETE FROM refresh_families WHERE row IN
    (SELECT row FROM (SELECT row, id, ended FROM refresh_families WHERE expires <= ?1 ORDER BY expires LIMIT ?2) due
     WHERE ended IS NULL OR NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.login = due.id))";

/// What waits unconfirmed, with its recovery codes.
const UNCONFIRMED: &str = "DELETE FROM authenticators WHERE row IN
    (SELECT row FROM authenticators WHERE is_active = 0 AND created <= ?1 LIMIT ?2)";
/// How long an enrolment waits, in milliseconds.
const WAITS: i64 = ENROLMENT.as_millis() as i64;

/// For how long a family that was ended is kept, in milliseconds: longer than any request that may still insert an
/// access token of it takes.
const ENDED: i64 = 600_000;
const ENDED_ACCESS_TOKENS: &str = "DELETE FROM access_tokens WHERE (login, number) IN
    (SELECT a.login, a.number FROM (SELECT id FROM refresh_families WHERE ended <= ?1 ORDER BY ended LIMIT ?2) due
     CROSS JOIN access_tokens a ON a.login = due.id LIMIT ?2)";
const ENDED_FAMILIES: &str = "DELETE FROM refresh_families WHERE row IN
    (SELECT row FROM (SELECT row, id FROM refresh_families WHERE ended <= ?1 ORDER BY ended LIMIT ?2) due
     WHERE NOT EXISTS (SELECT 1 FROM access_tokens a WHERE a.login = due.id))";

/// How long a predecessor is kept, in milliseconds.
const KEPT: i64 = PREDECESSOR_KEPT.as_millis() as i64;
/// Somebody who has a copy of the file and an old token could derive its successor from the lineage. Such a predecessor
/// is spent, as all older tokens are.
const USED: &str = "SELECT row, lineage FROM refresh_families WHERE used < ?1 LIMIT ?2";
const FORGET: &str = "UPDATE refresh_families SET lineage = ?2, used = NULL WHERE row = ?1";

/// What is removed, and by which instant it is due.
const REMOVALS: [(&str, Due); 7] = [
    (SPENT_VALUES, Due::Expired),
    (ACCESS_TOKENS, Due::Expired),
    (REFRESH_FAMILIES, Due::Expired),
    (UNCONFIRMED, Due::Unconfirmed),
    (ENDED_ACCESS_TOKENS, Due::Ended),
    (ENDED_FAMILIES, Due::Ended),
    (USED, Due::Used),
];

#[derive(Clone, Copy, PartialEq)]
enum Due {
    Expired,
    Unconfirmed,
    Ended,
    /// No row goes, only a part of it.
    Used,
}

pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    REMOVALS.into_iter().map(|(sql, _)| sql).chain([FORGET])
}

/// What is over, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instants {
    /// What expired by then.
    expired: i64,
    /// Families that were ended by then.
    ended: i64,
    /// Tokens that were used before.
    used: i64,
}

impl Instants {
    /// What is over in the `past`, for rows that are kept so long after they expired; and tokens that were used long
    /// before the `forward` time.
    pub(super) fn new(past: SystemTime, retention: Duration, forward: SystemTime) -> Self {
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        Self {
            expired: floor(past).saturating_sub(retention),
            ended: floor(past).saturating_sub(ENDED),
            used: floor(forward).saturating_sub(KEPT),
        }
    }
}

/// What one step removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) rows: u64,
    /// There may be more.
    pub(super) is_short: bool,
}

/// How much the next step does, and where it begins.
pub(super) struct Pruner {
    rows: AtomicU32,
    turn: AtomicUsize,
    clock: Arc<dyn Clock>,
    time: CountingTime,
    forward: Mutex<ForwardTime>,
    pub(super) old_pages: OldPages,
}

impl Pruner {
    pub(super) fn new(clock: Arc<dyn Clock>, time: CountingTime) -> Self {
        let forward = Mutex::new(ForwardTime::begin(clock.now(), clock.elapsed()));
        let (rows, turn) = (AtomicU32::new(FIRST), AtomicUsize::new(0));
        Self { rows, turn, clock, time, forward, old_pages: OldPages::new() }
    }

    /// What is over now.
    pub(super) fn instants(&self, retention: Duration) -> Instants {
        let (wall, elapsed) = (self.clock.now(), self.clock.elapsed());
        let forward = held(self.forward.lock()).at(wall, elapsed);
        Instants::new(self.time.earlier(wall), retention, forward)
    }

    /// How many rows a step removes now.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed) as usize
    }

    /// Takes the measure of a step that took so long, with its commit.
    pub(super) fn took(&self, time: Duration) {
        let rows = self.rows.load(Ordering::Relaxed);
        // Steps that are cut are rare among those that grow.
        let next = if time > TIME { rows / 2 } else { rows.saturating_add(rows / 16).saturating_add(1) };
        self.rows.store(next.clamp(LEAST, MOST), Ordering::Relaxed);
    }

    /// Removes some of what is over, of what is left of families that were ended some time ago, and of salts that
    /// nobody may ask for any more. The tables take turns, so that none waits for ever where another has more than can
    /// be removed.
    pub(super) fn step(&self, db: &Db, at: Instants) -> Result<Step, Failure> {
        let began = Instant::now();
        let mut room = u64::from(self.rows.load(Ordering::Relaxed));
        let mut step = Step { rows: 0, is_short: false };
        let mut has_forgotten = false;
        let turns = REMOVALS.iter().enumerate().cycle().skip(self.turn.load(Ordering::Relaxed)).take(REMOVALS.len());
        for (turn, (sql, due)) in turns {
            let room_now = room.cast_signed();
            let done = match due {
                Due::Expired => db.execute(sql, [at.expired, room_now])? as u64,
                Due::Unconfirmed => db.execute(sql, [at.expired.saturating_sub(WAITS), room_now])? as u64,
                Due::Ended => db.execute(sql, [at.ended, room_now])? as u64,
                Due::Used => forget_predecessors(db, sql, [at.used, room_now])?,
            };
            room = room.saturating_sub(done);
            // What hung on a row may have been removed after its turn.
            step.is_short |= done > 0;
            match due {
                Due::Used => has_forgotten = done > 0,
                Due::Expired | Due::Unconfirmed | Due::Ended => step.rows = step.rows.saturating_add(done),
            }
            if room == 0 || began.elapsed() > WORK {
                self.turn.store(turn.saturating_add(1), Ordering::Relaxed);
                step.is_short = true;
                break;
            }
        }
        self.old_pages.pruned(has_forgotten, step.is_short);
        Ok(step)
    }
}

/// Forgets the predecessors of these families, and answers how many. What a later version wrote is not for this one to
/// change.
fn forget_predecessors(db: &Db, sql: &'static str, due: [i64; 2]) -> Result<u64, Failure> {
    let mut done = 0_u64;
    for (row, lineage) in db.rows(sql, due, |row| Ok((get::<i64>(row, 0)?, get::<Vec<u8>>(row, 1)?)))? {
        match Lineage::from_bytes(&lineage) {
            Ok(lineage) => db.execute(FORGET, params![row, lineage.without_predecessor().to_bytes()])?,
            Err(LineageError::Later) => continue,
            Err(error) => return Err(error.into()),
        };
        done = done.saturating_add(1);
    }
    Ok(done)
}

#[cfg(test)]
#[path = "prune_tests.rs"]
mod tests;
