//! What an operator may see and do: list the locks, and lift them.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;

use super::kinds::{self, table_number};
use super::rows::Rows;
use super::{SqliteLimiter, record};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::limiter::Guess;
use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage, MOST_LOCKS};
use crate::limiter::locks::Locks;
use crate::limiter::step::budget::millis;
use crate::limiter::step::key::Key;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::records::Counts;
use crate::limiter::step::slots::TableKind;
use crate::limiter::step::unblock::{Forgotten, Unblock, Which};
use crate::sqlite::columns::get;
use crate::sqlite::counting_key::forget_attempts;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

const PAGE: &str = "SELECT guess, network, counts, changed FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND (guess, network) > (?2, ?3) ORDER BY guess, network LIMIT ?4";
const OF_ACCOUNT: &str = "SELECT guess, network, counts, changed FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND guess = ?2 LIMIT ?3";
const OF_GUESS: &str =
    "SELECT guess, network, counts, changed FROM limiter_tallies WHERE kind = ?1 AND place = 0 AND guess = ?2";
const OF_NETWORK: &str =
    "SELECT guess, network, counts, changed FROM limiter_tallies WHERE kind = ?1 AND place = 0 AND network = ?2";
const ONE: &str = "SELECT guess, network, counts, changed FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND guess = ?2 AND network = ?3";
const UNTOLD: &str = "UPDATE limiter_known SET told = 0 WHERE guess = ?1";

pub(super) const STATEMENTS: [&str; 6] = [PAGE, OF_ACCOUNT, OF_GUESS, OF_NETWORK, ONE, UNTOLD];

/// Forgets what is unblocked, and answers how much of it still counted.
fn unblock(rows: &Rows<'_>, unblock: &Unblock) -> Result<usize, Failure> {
    if let Some(guess) = unblock.untold {
        rows.db.execute(UNTOLD, [guess.cast_signed()])?;
    }
    let mut counted = 0_usize;
    for forgotten in &unblock.forgotten {
        let gone = forget(rows, forgotten)?;
        counted = counted.saturating_add(if forgotten.is_counted { gone } else { 0 });
    }
    Ok(counted)
}

/// Has rows begin anew, and answers how many of them still counted. They stay for a while, so that what was charged
/// before takes nothing back from what is counted after.
fn forget(rows: &Rows<'_>, forgotten: &Forgotten) -> Result<usize, Failure> {
    let of_table = table_number(forgotten.table);
    let found = match forgotten.which {
        Which::OfGuess(guess) => rows.db.rows(OF_GUESS, [of_table, guess.cast_signed()], read)?,
        Which::OfNetwork(network) => rows.db.rows(OF_NETWORK, [of_table, network.cast_signed()], read)?,
        Which::One((guess, network)) => {
            rows.db.rows(ONE, [of_table, guess.cast_signed(), network.cast_signed()], read)?
        }
    };
    let mut counted = 0_usize;
    for (key, counts) in found {
        if !counts.tally.is_over(rows.now.max(counts.changed)) {
            counted = counted.saturating_add(1);
        }
        rows.forget(forgotten.table, key, counts)?;
    }
    Ok(counted)
}

/// How many rows are looked at for one page, which bounds how long a reader is busy with it.
const LOOKED_AT: usize = 1000;
/// Before the first key of a kind.
const FIRST: Key = (i64::MIN.cast_unsigned(), i64::MIN.cast_unsigned());

fn read(row: &rusqlite::Row<'_>) -> Result<(Key, Counts), Failure> {
    Ok(((get::<i64>(row, 0)?.cast_unsigned(), get::<i64>(row, 1)?.cast_unsigned()), record::read(row, 2)?.0))
}

/// Finds locks among rows.
struct Finder {
    limits: Limits,
    names: Arc<Locks>,
    now: u64,
}

impl Finder {
    fn lock(&self, key: Key, counts: &Counts) -> Option<ActiveLock> {
        let lock = self.limits.policy.lock(key, &counts.tally, self.now.max(counts.changed))?;
        Some(self.names.active(key, lock))
    }

    /// Goes on behind a cursor, through one kind after the other and in each by the keys.
    fn page(&self, db: &Db, after: Option<LockCursor>, most: usize) -> Result<LockPage, Failure> {
        let [kind, guess, network] = after.map_or([0, FIRST.0, FIRST.1], |cursor| cursor.words());
        let (mut last, mut room, mut locks) = ((guess, network), LOOKED_AT, Vec::new());
        for (number, kind) in (0_u64..).zip(kinds::ALL).skip(usize::try_from(kind).unwrap_or(usize::MAX)) {
            let limit = i64::try_from(room).unwrap_or(0);
            let values = params![table_number(kind), last.0.cast_signed(), last.1.cast_signed(), limit];
            let rows = db.rows(PAGE, values, read)?;
            room = room.saturating_sub(rows.len());
            for (key, counts) in rows {
                if locks.len() >= most {
                    return Ok(LockPage::new(locks, Some(LockCursor::of_words([number, last.0, last.1]))));
                }
                locks.extend(self.lock(key, &counts));
                last = key;
            }
            if room == 0 {
                return Ok(LockPage::new(locks, Some(LockCursor::of_words([number, last.0, last.1]))));
            }
            last = FIRST;
        }
        Ok(LockPage::new(locks, None))
    }

    fn of_account(&self, db: &Db, guess: u64) -> Result<Vec<ActiveLock>, Failure> {
        let mut locks = Vec::new();
        for kind in [TableKind::Account, TableKind::Wide, TableKind::Pair] {
            let most = i64::try_from(MOST_LOCKS).unwrap_or(0);
            let rows = db.rows(OF_ACCOUNT, [table_number(kind), guess.cast_signed(), most], read)?;
            locks.extend(rows.into_iter().filter_map(|(key, counts)| self.lock(key, &counts)));
        }
        locks.truncate(MOST_LOCKS);
        Ok(locks)
    }
}

/// A page looks at 1,000 rows at most, so that it may have fewer locks than it may hold. Whose a lock is that began in
/// another process, or before the last start, is not known: the file holds digests alone. Ask for it by its account.
#[async_trait]
impl LimiterOperator for SqliteLimiter {
    async fn locks(&self, after: Option<LockCursor>, most: usize) -> Result<LockPage, OperationError> {
        let most = most.clamp(1, MOST_LOCKS);
        Ok(self.find(move |db, finder| finder.page(db, after, most)).await?)
    }

    async fn locks_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<Vec<ActiveLock>, OperationError> {
        let guess = self.key.digests.guess(&Guess::Account { realm, account });
        let found = self.find(move |db, finder| finder.of_account(db, guess)).await?;
        Ok(found.into_iter().map(|lock| lock.named(realm, account)).collect())
    }

    async fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<usize, OperationError> {
        Ok(self.unblock(Unblock::account(&self.key.digests, realm, account)).await?)
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        Ok(self.unblock(Unblock::address(&self.key.digests, address)).await?)
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        let pair = Unblock::pair(&self.key.digests, &Guess::Account { realm, account }, address);
        Ok(self.unblock(pair).await? > 0)
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        let pair = Unblock::pair(&self.key.digests, &Guess::Client { client_id }, address);
        Ok(self.unblock(pair).await? > 0)
    }

    async fn factor_locks_of(&self, realm: Option<&str>, subject: &str) -> Result<Vec<ActiveLock>, OperationError> {
        let guesses = self.key.digests.of_user(realm, subject);
        let of_all = move |db: &Db, finder: &Finder| {
            let found = guesses.into_iter().map(|guess| finder.of_account(db, guess));
            found.collect::<Result<Vec<_>, Failure>>()
        };
        let found = self.find(of_all).await?;
        Ok(found.into_iter().flatten().map(|lock| lock.of_user(realm, subject)).collect())
    }

    async fn unblock_factor(&self, realm: Option<&str>, subject: &str) -> Result<usize, OperationError> {
        Ok(self.unblock(Unblock::factor(&self.key.digests, realm, subject)).await?)
    }

    async fn forget_everything(&self) -> Result<(), OperationError> {
        self.locks.clear();
        Ok(self.store.write(forget_attempts).await?)
    }
}

impl SqliteLimiter {
    async fn find<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db, &Finder) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (limits, names, time) = (self.limits, Arc::clone(&self.locks), self.store.time());
        self.store.read(move |db| work(db, &Finder { limits, names, now: millis(time.now()) })).await
    }

    async fn unblock(&self, what: Unblock) -> Result<usize, BackendError> {
        self.step(move |step| unblock(step.rows(), &what)).await
    }
}
