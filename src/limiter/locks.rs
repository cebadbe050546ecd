//! Whose locks they are, for people.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::step::capacity::SWEEP;
use super::step::key::Key;
use super::step::network::prefix_len;
use super::step::policy::Policy;
use super::step::records::Begun;
use super::step::ticket::Ticket;
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::{AttemptKey, Guess, Limit, Settlement};
use crate::boundary::operator::ActiveLock;
use crate::boundary::sync::{Mutex, MutexGuard, held};

/// The most locks that have names, and the most accounts whose owner was told.
pub(crate) const MOST: usize = 16_384;
/// A longer name is not kept: people do not have such, and the memory is bounded. Its lock is.
const LONGEST: usize = 256;

/// The tables hold hashes only. What they stand for is kept for locks alone.
#[derive(Default)]
pub(crate) struct Locks {
    names: Mutex<Names>,
}

/// What each lock is on, and until when it lasts, as long as there is room.
#[derive(Default)]
struct Names {
    kept: HashMap<(Limit, Key), (u64, Name)>,
    next_sweep: u64,
}

impl Names {
    fn insert(&mut self, key: (Limit, Key), name: Name, now: u64, until: u64) {
        if self.kept.len() >= MOST && self.next_sweep <= now {
            self.kept.retain(|_, (until, _)| *until > now);
            self.next_sweep = now.saturating_add(SWEEP);
        }
        if self.kept.len() < MOST || self.kept.contains_key(&key) {
            self.kept.insert(key, (until, name));
        }
    }
}

/// What a lock is on.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) realm: Option<String>,
    pub(crate) account: Option<AccountKey<'static>>,
    pub(crate) client_id: Option<String>,
    /// Of a user whose second factor is locked.
    pub(crate) subject: Option<String>,
    pub(crate) address: Option<IpAddr>,
}

fn lock(names: &Mutex<Names>) -> MutexGuard<'_, Names> {
    held(names.lock())
}

impl Locks {
    /// Keeps what a lock that lasts until `until` is on.
    pub(crate) fn describe(&self, limit: Limit, key: Key, attempt: &AttemptKey<'_>, now: u64, until: u64) {
        let mut name = Name { realm: None, account: None, client_id: None, subject: None, address: attempt.address };
        match attempt.guess {
            _ if limit == Limit::Address => {}
            Guess::Account { realm, account } => {
                if account.as_str().len().saturating_add(realm.map_or(0, str::len)) > LONGEST {
                    name.address = None;
                } else {
                    name.realm = realm.map(str::to_owned);
                    name.account = Some(account.clone().into_owned());
                }
            }
            Guess::Client { client_id } => name.client_id = Some(client_id.to_owned()),
            Guess::NoAccount => {}
            Guess::Factor { realm, subject, .. }
            | Guess::RecoveryCode { realm, subject }
            | Guess::Delivery { realm, subject, .. } => {
                if subject.len().saturating_add(realm.map_or(0, str::len)) > LONGEST {
                    name.address = None;
                } else {
                    name.realm = realm.map(str::to_owned);
                    name.subject = Some(subject.to_owned());
                }
            }
        }
        if matches!(limit, Limit::Account | Limit::Factor | Limit::FactorInARow | Limit::Delivery) {
            name.address = None;
        }
        lock(&self.names).insert((limit, key), name, now, until);
    }

    /// The same for all that [began](Begun) by an attempt.
    pub(crate) fn describe_all(&self, attempt: &AttemptKey<'_>, begun: &[Begun]) {
        for Begun { limit, key, at, until } in begun {
            self.describe(*limit, *key, attempt, *at, *until);
        }
    }

    /// Forgets the names of the locks that began by a charge which comes back: they were none in the end.
    #[inline]
    pub(crate) fn settled(&self, policy: &Policy, ticket: &Ticket, settlement: Settlement) {
        if !ticket.locks.is_empty() && settlement.gives_back() {
            self.unname(policy, ticket);
        }
    }

    #[cold]
    fn unname(&self, policy: &Policy, ticket: &Ticket) {
        for slot in ticket.locks.iter() {
            lock(&self.names).kept.remove(&(policy.limit(slot, ticket.kind()), ticket.key(slot)));
        }
    }

    /// The first keys of locks that began here, in their order, as many as are asked for. Some may not be locked any more.
    pub(crate) fn keys(&self, is_meant: impl Fn(Key) -> bool, most: usize) -> Vec<Key> {
        let mut keys: Vec<_> =
            lock(&self.names).kept.keys().map(|(_, key)| *key).filter(|key| is_meant(*key)).collect();
        keys.sort_unstable();
        keys.truncate(most);
        keys
    }

    fn name(&self, limit: Limit, key: Key) -> Option<Name> {
        lock(&self.names).kept.get(&(limit, key)).map(|(_, name)| name.clone())
    }

    /// A lock of a key that lasts so many milliseconds, with what is known of it.
    pub(crate) fn active(&self, key: Key, (limit, lasts): (Limit, u64)) -> ActiveLock {
        let mut lock = ActiveLock::new(limit, Duration::from_millis(lasts));
        if let Some(Name { realm, account, client_id, subject, address }) = self.name(limit, key) {
            lock.prefix_len = address.map(|_| prefix_len(key.1));
            (lock.realm, lock.account, lock.client_id, lock.address) = (realm, account, client_id, address);
            lock.subject = subject;
        }
        lock
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        lock(&self.names).kept.clear();
    }
}
