//! What an operator may see and do: list the locks, and lift them.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::params;

use super::SqliteLimiter;
use super::kinds::Kind;
use super::record;
use super::rows::Rows;
use crate::boundary::account::AccountKey;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::limiter::Guess;
use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage, MOST_LOCKS};
use crate::protection::budget::millis;
use crate::protection::locks::Locks;
use crate::protection::network::{Tier, is_ipv6, widened};
use crate::protection::records::Counts;
use crate::protection::rules::LimiterRules;
use crate::protection::table::Key;
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
const OF_WIDE: &str =
    "SELECT guess, network, counts, changed FROM limiter_tallies WHERE kind = ?1 AND place = 0 AND network IN (?2, ?3)";
const OF_PAIR: &str = "SELECT guess, network, counts, changed FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND guess = ?2 AND network = ?3";
const OF_WIDE_PAIR: &str = "SELECT guess, network, counts, changed FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND guess = ?2 AND network IN (?3, ?4)";
const UNTOLD: &str = "UPDATE limiter_known SET told = 0 WHERE guess = ?1";

pub(super) const STATEMENTS: [&str; 8] =
    [PAGE, OF_ACCOUNT, OF_GUESS, OF_NETWORK, OF_WIDE, OF_PAIR, OF_WIDE_PAIR, UNTOLD];

/// Has rows of a kind begin anew, and answers how many of them still counted. They stay for a while, so that what was charged
/// before takes nothing back from what is counted after.
fn forget(rows: &Rows<'_>, kind: Kind, sql: &'static str, params: impl rusqlite::Params) -> Result<usize, Failure> {
    let mut counted = 0_usize;
    for (key, counts) in rows.db.rows(sql, params, read)? {
        if !counts.tally.is_over(rows.now.max(counts.changed)) {
            counted = counted.saturating_add(1);
        }
        rows.forget(kind, key, counts)?;
    }
    Ok(counted)
}

/// The owner of an account that an operator lifts a lock of is told of the next one.
fn untell(rows: &Rows<'_>, guess: u64) -> Result<(), Failure> {
    rows.db.execute(UNTOLD, [guess.cast_signed()]).map(drop)
}

/// The /56 and the /48 around a /64, as columns.
fn around(network: u64) -> [i64; 2] {
    Tier::ALL.map(|tier| widened(network, tier).cast_signed())
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
    rules: LimiterRules,
    names: Arc<Locks>,
    now: u64,
}

impl Finder {
    fn lock(&self, key: Key, counts: &Counts) -> Option<ActiveLock> {
        let lock = self.rules.policy.lock(key, &counts.tally, self.now.max(counts.changed))?;
        Some(self.names.active(key, lock))
    }

    /// Goes on behind a cursor, through one kind after the other and in each by the keys.
    fn page(&self, db: &Db, after: Option<LockCursor>, most: usize) -> Result<LockPage, Failure> {
        let [kind, guess, network] = after.map_or([0, FIRST.0, FIRST.1], |cursor| cursor.words());
        let (mut last, mut room, mut locks) = ((guess, network), LOOKED_AT, Vec::new());
        for (number, kind) in (0_u64..).zip(Kind::ALL).skip(usize::try_from(kind).unwrap_or(usize::MAX)) {
            let limit = i64::try_from(room).unwrap_or(0);
            let values = params![kind.number(), last.0.cast_signed(), last.1.cast_signed(), limit];
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
        for kind in [Kind::Account, Kind::Wide, Kind::Pair] {
            let most = i64::try_from(MOST_LOCKS).unwrap_or(0);
            let rows = db.rows(OF_ACCOUNT, [kind.number(), guess.cast_signed(), most], read)?;
            locks.extend(rows.into_iter().filter_map(|(key, counts)| self.lock(key, &counts)));
        }
        locks.truncate(MOST_LOCKS);
        Ok(locks)
    }
}

/// A page looks at 1,000 rows at most, so that it may have fewer locks than it may hold. Whose a lock is that began in another
/// process, or before the last start, is not known: the file holds digests alone. Ask for it by its account.
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
        let guess = self.key.digests.guess(&Guess::Account { realm, account });
        let gone = self.forget(move |rows| {
            untell(rows, guess)?;
            let of = |kind: Kind| forget(rows, kind, OF_GUESS, [kind.number(), guess.cast_signed()]);
            of(Kind::Wide)?;
            Ok(of(Kind::Pair)?.saturating_add(of(Kind::Account)?))
        });
        Ok(gone.await?)
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        let network = self.key.digests.network(Some(address));
        let gone = self.forget(move |rows| {
            if is_ipv6(network) {
                let [of_56, of_48] = around(network);
                forget(rows, Kind::Wide, OF_WIDE, [Kind::Wide.number(), of_56, of_48])?;
            }
            let of = |kind: Kind| forget(rows, kind, OF_NETWORK, [kind.number(), network.cast_signed()]);
            Ok(of(Kind::Pair)?.saturating_add(of(Kind::Address)?))
        });
        Ok(gone.await?)
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Account { realm, account }, address).await?)
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Client { client_id }, address).await?)
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
        let (rules, names, time) = (self.rules, Arc::clone(&self.locks), self.store.time());
        self.store.read(move |db| work(db, &Finder { rules, names, now: millis(time.now()) })).await
    }

    async fn unblock_pair(&self, guess: &Guess<'_>, address: Option<IpAddr>) -> Result<bool, BackendError> {
        let (guess, network) = (self.key.digests.guess(guess), self.key.digests.network(address));
        let gone = self.forget(move |rows| {
            untell(rows, guess)?;
            if is_ipv6(network) {
                let [of_56, of_48] = around(network);
                let values = [Kind::Wide.number(), guess.cast_signed(), of_56, of_48];
                forget(rows, Kind::Wide, OF_WIDE_PAIR, values)?;
            }
            let values = params![Kind::Pair.number(), guess.cast_signed(), network.cast_signed()];
            forget(rows, Kind::Pair, OF_PAIR, values)
        });
        Ok(gone.await? > 0)
    }

    async fn forget(
        &self,
        work: impl FnOnce(&Rows<'_>) -> Result<usize, Failure> + Send + 'static,
    ) -> Result<usize, BackendError> {
        self.step(move |turn| work(turn.rows())).await
    }
}
