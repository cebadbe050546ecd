//! Under which key the attempts in a file are counted.

use std::path::Path;

use zeroize::Zeroizing;

use super::columns::{bytes, get};
use super::db::Db;
use super::error::{NotOpened, SqliteError};
use super::failure::Failure;
use crate::limiter::step::digests::Digests;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::shared_key::{KeyUse, SharedKey};

const KEY: &str = "SELECT key, shared FROM limiter WHERE row = 1";
const IS_COUNTED: &str = "SELECT EXISTS (SELECT 1 FROM limiter_tallies WHERE kind >= 0)
    OR EXISTS (SELECT 1 FROM limiter_known WHERE forgotten >= 0)";
const TAKE_KEY: &str = "UPDATE limiter SET shared = ?1 WHERE row = 1";
const FORGET_COUNTS: &str =
    "UPDATE limiter SET forgotten = ?1, pairs = 0, accounts = 0, addresses = 0, wide = 0, known = 0, was_full = 0
    WHERE row = 1";
const FORGET_TALLIES: &str = "DELETE FROM limiter_tallies";
const FORGET_CROWDS: &str = "DELETE FROM limiter_crowds";
const FORGET_KNOWN: &str = "DELETE FROM limiter_known";
const FORGET_ROWS: [&str; 3] = [FORGET_TALLIES, FORGET_CROWDS, FORGET_KNOWN];
/// Looks at every count, so it is none of the statements that requests run.
const LATEST: &str = "SELECT max(forgotten, coalesce((SELECT max(changed) FROM limiter_tallies), 0)) FROM limiter
    WHERE row = 1";

pub(super) const STATEMENTS: [&str; 7] =
    [KEY, IS_COUNTED, TAKE_KEY, FORGET_COUNTS, FORGET_TALLIES, FORGET_CROWDS, FORGET_KNOWN];

/// The latest time that was counted at, in milliseconds.
pub(super) fn latest(db: &Db) -> Result<i64, Failure> {
    db.row(LATEST, (), |row| get(row, 0))?.ok_or(Failure::Row("the state of the limiter"))
}

/// Forgets everything that was counted. What is counted from now on is later than all of it.
pub(super) fn forget_attempts(db: &Db) -> Result<(), Failure> {
    db.execute(FORGET_COUNTS, [latest(db)?])?;
    FORGET_ROWS.into_iter().try_for_each(|sql| db.execute(sql, ()).map(drop))
}

/// The key of the digests in a file: the operator's, or one that lies in the file.
pub(super) struct CountingKey {
    pub(super) digests: Digests,
    shared: Option<SharedCheck>,
}

/// Which shared key it is.
pub(super) type SharedCheck = [u8; 32];

impl CountingKey {
    /// The key of this file. What was counted in it under another one would not be found: it is refused, or forgotten
    /// if the operator says so.
    pub(super) fn open(
        db: &Db,
        path: &Path,
        shared: Option<&SharedKey>,
        forgets_others: bool,
    ) -> Result<Self, NotOpened> {
        // Another process may open the file with another key at the same time.
        db.batch("BEGIN IMMEDIATE")?;
        let opened = Self::take(db, path, shared, forgets_others);
        db.batch(if opened.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        opened
    }

    fn take(db: &Db, path: &Path, shared: Option<&SharedKey>, forgets_others: bool) -> Result<Self, NotOpened> {
        let failed = |failure: Failure| SqliteError::Sqlite(Box::new(failure));
        let found = db.row(KEY, (), |row| Ok((bytes::<32>(row, 0)?, get::<Option<SharedCheck>>(row, 1)?)));
        let (own, found) = found.map_err(failed)?.ok_or_else(|| failed(Failure::Row("the key of the limiter")))?;
        let check = shared.map(|key| *key.for_purpose(KeyUse::Check));
        if check != found {
            let is_counted = db.row(IS_COUNTED, (), |row| get::<bool>(row, 0)).map_err(failed)?;
            if is_counted.unwrap_or(true) && !forgets_others {
                let counted = match (found, check) {
                    (Some(_), Some(_)) => "another shared key: open it with that one",
                    (Some(_), None) => "a shared key, and none was given: open it with that one",
                    (None, _) => "no shared key: open it without one",
                };
                return Err(SqliteError::OtherSharedKey { path: path.to_owned(), counted }.into());
            }
            forget_attempts(db).map_err(failed)?;
            db.execute(TAKE_KEY, [check]).map_err(failed)?;
        }
        let key = match shared {
            Some(_) => Keyed::new(shared, KeyUse::Attempts),
            None => Keyed::Given(Zeroizing::new(own)),
        };
        Ok(Self { digests: Digests::new(key), shared: check })
    }

    /// Whether the file still counts under this key: another process may have opened it with another one meanwhile.
    pub(super) fn is_of(&self, found: Option<SharedCheck>) -> Result<(), Failure> {
        if self.shared == found { Ok(()) } else { Err(Failure::OtherKey) }
    }

    /// Whether fingerprints of secrets may lie in the file: not beside the key that they could be tested with.
    pub(super) const fn keeps_prints(&self) -> bool {
        self.is_shared()
    }

    /// Whether it is the operator's.
    pub(super) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }
}
