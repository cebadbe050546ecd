//! What an operator may see and do: list the locks, and lift them.

use std::net::IpAddr;

use rusqlite::params;

use super::SqliteLimiter;
use super::rows::{Kind, Rows, column, written};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::limiter::{Guess, Rule};
use crate::protection::budget::millis;
use crate::protection::locks::ActiveLock;
use crate::protection::network::{Tier, is_ipv6, widened};
use crate::protection::table::{Key, is_client};
use crate::protection::tally::Tally;
use crate::sqlite::columns::get;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

const LOCKED: &str = "SELECT guess, network, tally FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND forgotten > ?2";
const OF_GUESS: &str =
    "DELETE FROM limiter_tallies WHERE kind = ?1 AND place = 0 AND guess = ?2 RETURNING tally, network";
const OF_NETWORK: &str =
    "DELETE FROM limiter_tallies WHERE kind = ?1 AND place = 0 AND network = ?2 RETURNING tally, network";
const OF_WIDE: &str = "DELETE FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND network IN (?2, ?3) RETURNING tally, network";
const OF_PAIR: &str = "DELETE FROM limiter_tallies WHERE kind = ?1 AND place = 0 AND guess = ?2 AND network = ?3 RETURNING tally, network";
const OF_WIDE_PAIR: &str = "DELETE FROM limiter_tallies
    WHERE kind = ?1 AND place = 0 AND guess = ?2 AND network IN (?3, ?4) RETURNING tally, network";

pub(super) const STATEMENTS: [&str; 6] = [LOCKED, OF_GUESS, OF_NETWORK, OF_WIDE, OF_PAIR, OF_WIDE_PAIR];

fn tally(row: &rusqlite::Row<'_>, column: usize) -> Result<Tally, Failure> {
    written(row, column).map(|(tally, _)| Tally::from_bytes(&tally))
}

/// Removes rows of a kind, and answers how many of them still counted.
fn remove(
    db: &Db,
    rows: &mut Rows<'_>,
    kind: Kind,
    sql: &'static str,
    params: impl rusqlite::Params,
) -> Result<usize, Failure> {
    let gone = db.rows(sql, params, |row| Ok((tally(row, 0)?, get::<i64>(row, 1)?.cast_unsigned())))?;
    for (_, network) in &gone {
        rows.add(kind, *network, -1)?;
    }
    Ok(gone.iter().filter(|(tally, _)| !tally.is_over(rows.clock)).count())
}

/// The /56 and the /48 around a /64, as columns.
fn around(network: u64) -> [i64; 2] {
    Tier::ALL.map(|tier| widened(network, tier).cast_signed())
}

/// For operators. What keys count together, because the room was short, is not listed and ends by time only.
impl SqliteLimiter {
    /// All locks that hold now, in no order. Looks through all keys. Locks that began in another
    /// process, or before the last start, have neither account nor client nor address: the file holds digests alone. To
    /// lift one there, name its account to [`unblock_account`](Self::unblock_account).
    ///
    /// The accounts are what verifiers made of user names that somebody typed, which may be a password in the wrong field:
    /// show them to operators, and keep them out of logs.
    ///
    /// # Errors
    /// As any operation of the store.
    pub async fn locks(&self) -> Result<Vec<ActiveLock>, OperationError> {
        let time = self.store.time();
        let (now, held) = self
            .store
            .read(move |db| {
                let now = millis(time.now());
                let mut held: Vec<(Kind, Key, Tally)> = Vec::new();
                for kind in Kind::ALL {
                    let found = db.rows(LOCKED, params![kind.number(), column(now)], |row| {
                        let key = (get::<i64>(row, 0)?.cast_unsigned(), get::<i64>(row, 1)?.cast_unsigned());
                        Ok((kind, key, tally(row, 2)?))
                    })?;
                    held.extend(found);
                }
                Ok((now, held))
            })
            .await?;
        Ok(held.into_iter().filter_map(|(kind, key, tally)| self.lock(kind, key, &tally, now)).collect())
    }

    fn lock(&self, kind: Kind, key: Key, tally: &Tally, now: u64) -> Option<ActiveLock> {
        let policy = &self.rules.policy;
        let rule = match kind {
            Kind::Account => Rule::Account,
            Kind::Address => Rule::Address,
            Kind::Wide if key.0 == 0 => Rule::Address,
            Kind::Pair | Kind::Wide => policy.pair_rule(is_client(key.0)).0,
        };
        Some(self.locks.active(rule, key, policy.lasts(rule, key, tally, now)?))
    }

    /// Forgets all attempts on an account, from all addresses, and tells how many keys it forgot; see
    /// [`MemoryLimiter::unblock_account`](crate::MemoryLimiter::unblock_account).
    ///
    /// # Errors
    /// As any operation of the store.
    pub async fn unblock_account(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
    ) -> Result<usize, OperationError> {
        let guess = self.key.digests.guess(&Guess::Account { realm, account });
        self.locks.forget(guess);
        let gone = self.remove(move |db, rows| {
            let mut of = |kind: Kind| remove(db, rows, kind, OF_GUESS, [kind.number(), guess.cast_signed()]);
            of(Kind::Wide)?;
            Ok(of(Kind::Pair)?.saturating_add(of(Kind::Account)?))
        });
        Ok(gone.await?)
    }

    /// Forgets all attempts from an address (IPv6: from its /64), on all accounts and clients; and what its /56 and its /48 have
    /// spent together, which would refuse it still. Tells how many keys of the address it forgot.
    ///
    /// # Errors
    /// As any operation of the store.
    pub async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        let network = self.key.digests.network(Some(address));
        let gone = self.remove(move |db, rows| {
            if is_ipv6(network) {
                let [of_56, of_48] = around(network);
                remove(db, rows, Kind::Wide, OF_WIDE, [Kind::Wide.number(), of_56, of_48])?;
            }
            let mut of = |kind: Kind| remove(db, rows, kind, OF_NETWORK, [kind.number(), network.cast_signed()]);
            Ok(of(Kind::Pair)?.saturating_add(of(Kind::Address)?))
        });
        Ok(gone.await?)
    }

    /// Forgets the attempts on an account from one address; `None` for a host without addresses. Tells whether there were
    /// any.
    ///
    /// # Errors
    /// As any operation of the store.
    pub async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Account { realm, account }, address).await?)
    }

    /// Forgets the attempts on a client's secret from one address. Tells whether there were any.
    ///
    /// # Errors
    /// As any operation of the store.
    pub async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Client { client_id }, address).await?)
    }

    async fn unblock_pair(&self, guess: &Guess<'_>, address: Option<IpAddr>) -> Result<bool, BackendError> {
        let (guess, network) = (self.key.digests.guess(guess), self.key.digests.network(address));
        self.locks.forget(guess);
        let gone = self.remove(move |db, rows| {
            if is_ipv6(network) {
                let [of_56, of_48] = around(network);
                let values = [Kind::Wide.number(), guess.cast_signed(), of_56, of_48];
                remove(db, rows, Kind::Wide, OF_WIDE_PAIR, values)?;
            }
            let values = params![Kind::Pair.number(), guess.cast_signed(), network.cast_signed()];
            remove(db, rows, Kind::Pair, OF_PAIR, values)
        });
        Ok(gone.await? > 0)
    }

    async fn remove(
        &self,
        work: impl FnOnce(&Db, &mut Rows<'_>) -> Result<usize, Failure> + Send + 'static,
    ) -> Result<usize, BackendError> {
        self.step(move |step| {
            let (db, mut rows) = step.into_rows();
            let gone = work(db, &mut rows)?;
            rows.close()?;
            Ok(gone)
        })
        .await
    }
}
