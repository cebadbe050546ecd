//! Counting attempts in this process.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::tally::{Budget, Recovery, Tally};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, Guess, Reservation, Reserved, Settlement};
use crate::boundary::maybe::MaybeFuture;
use crate::protocol::address::Network;

/// A power of two, so that a mask picks the shard.
const SHARDS: usize = 64;
/// Shared tallies of a shard, for keys that find no room of their own. A power of two, too.
const SPILL: usize = 256;

/// Counts attempts per account and address, per client and address, and per address over all of them, in the memory of
/// this process.
///
/// Bounded: it holds at most [`capacity`](Self::with_capacity) keys. When it is full of keys that still count, new keys
/// share a fixed number of spill tallies, chosen by a keyed hash: a flood can make the limiter stricter, never forget.
/// The budget of an address keeps one sender from filling it. IPv6 addresses count by their /64. A restart clears it, and
/// processes do not share it.
pub struct MemoryLimiter {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    budget: Budget,
    address_attempts: u32,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Shard {
    tallies: HashMap<u64, Tally, BuildHasherDefault<Hashed>>,
    spill: Vec<Tally>,
    /// Not before this moment is a full shard searched for keys that no longer count.
    next_sweep: Duration,
}

/// Where one charge lies: under a key of its own, or in a tally that keys share. The lowest bit tells which; 0 is no
/// charge at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Charge(u64);

impl Charge {
    const SPILLED: u64 = 1;

    fn key(self) -> u64 {
        self.0 & !Self::SPILLED
    }

    fn is_spilled(self) -> bool {
        self.0 & Self::SPILLED == Self::SPILLED
    }
}

impl MemoryLimiter {
    /// 10 attempts within 15 minutes for each account and address, and for each client and address; 1,000 for each
    /// address over all accounts and clients, which come back one by one within 15 minutes; 262,144 keys.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            budget: Budget { attempts: 10, window: Duration::from_secs(15 * 60), recovery: Recovery::AtOnce },
            address_attempts: 1000,
            capacity: 262_144,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Another budget: `attempts` (at least 1) within `window` for each account or client and address. Attempts under
    /// way count too, so it also bounds how many logins of one account and address run at once.
    #[must_use]
    pub fn with_budget(mut self, attempts: u32, window: Duration) -> Self {
        self.budget = Budget { attempts: attempts.max(1), window, ..self.budget };
        self
    }

    /// Another budget of one address over all accounts and clients: `attempts` (at least 1), which come back one by one,
    /// all of them within the same window. Raise it if many users share an address, such as that of a server that logs in
    /// for them.
    #[must_use]
    pub fn with_address_budget(mut self, attempts: u32) -> Self {
        self.address_attempts = attempts.max(1);
        self
    }

    /// The most keys that are held, about 50 bytes each.
    #[must_use]
    pub fn with_capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }

    /// Another clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// 63 bits under a key that nobody outside knows, so nobody can look for two names with one hash; every part is
    /// hashed with its kind and its length.
    fn hash(&self, kind: u64, realm: &str, name: &str, address: Option<IpAddr>) -> u64 {
        let (upper, lower) = address.map_or(NO_NETWORK, network);
        // Fewer and longer pieces than `#[derive(Hash)]` would feed. Realms and names are far shorter than 2^24 bytes.
        let head = [kind << 56 ^ (realm.len() as u64) << 28 ^ name.len() as u64, upper, lower].map(u64::to_ne_bytes);
        let mut hasher = self.hasher.build_hasher();
        hasher.write(head.as_flattened());
        hasher.write(realm.as_bytes());
        hasher.write(name.as_bytes());
        hasher.finish() & !Charge::SPILLED
    }

    fn guess_key(&self, key: &AttemptKey<'_>) -> u64 {
        match key.guess {
            Guess::Account { realm: None, account } => self.hash(0, "", account, key.address),
            Guess::Account { realm: Some(realm), account } => self.hash(1, realm, account, key.address),
            Guess::Client { client_id } => self.hash(2, "", client_id, key.address),
        }
    }

    fn shard(&self, key: u64) -> Option<MutexGuard<'_, Shard>> {
        // The lowest bit is the same in all keys.
        let index = usize::try_from(key >> 1).ok()? & (SHARDS - 1);
        // Nothing can panic while the lock is held; if it did, the counts would still be right.
        self.shards.get(index).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Charges the address and the guess; either both or none.
    fn charge_both(&self, key: &AttemptKey<'_>) -> Option<Result<[Charge; 2], Duration>> {
        let now = self.clock.elapsed();
        let address = match key.address {
            None => Charge(0),
            Some(address) => {
                let recovery = Recovery::OneByOne;
                let budget = Budget { attempts: self.address_attempts, recovery, ..self.budget };
                match self.charge(self.hash(3, "", "", Some(address)), budget, now)? {
                    Ok(charge) => charge,
                    Err(wait) => return Some(Err(wait)),
                }
            }
        };
        Some(match self.charge(self.guess_key(key), self.budget, now)? {
            Ok(charge) => Ok([charge, address]),
            Err(wait) => {
                self.give_back(address);
                Err(wait)
            }
        })
    }

    fn charge(&self, key: u64, budget: Budget, now: Duration) -> Option<Result<Charge, Duration>> {
        let mut shard = self.shard(key)?;
        if let Some(tally) = shard.tallies.get_mut(&key) {
            return Some(tally.charge(budget, now).map(|()| Charge(key)));
        }
        let room = self.capacity / SHARDS;
        if shard.tallies.len() >= room && shard.next_sweep <= now {
            shard.tallies.retain(|_, tally| !tally.is_over(self.budget, now));
            shard.next_sweep = now.saturating_add(Duration::from_secs(1));
        }
        if shard.tallies.len() < room {
            // What it charged to a shared tally, when there was no room, counts on.
            let mut tally = shard.spilled(key);
            let charged = tally.charge(budget, now);
            shard.tallies.insert(key, tally);
            return Some(charged.map(|()| Charge(key)));
        }
        // The other keys of a shared tally may be guesses, which an address's own rate must not give back.
        let budget = Budget { recovery: Recovery::AtOnce, ..budget };
        Some(shard.spill(key)?.charge(budget, now).map(|()| Charge(key | Charge::SPILLED)))
    }

    /// Gives one charge back.
    fn give_back(&self, charge: Charge) {
        let Some(mut shard) = self.shard(charge.key()) else { return };
        let tally = if charge.is_spilled() { shard.spill(charge.key()) } else { shard.tallies.get_mut(&charge.key()) };
        if let Some(tally) = tally {
            tally.refund();
        }
    }

    /// Forgets all charges of a key. A shared tally holds other keys' failures too, so only the own charge goes there.
    fn forget(&self, charge: Charge) {
        if charge.is_spilled() {
            self.give_back(charge);
        } else if let Some(mut shard) = self.shard(charge.key()) {
            shard.tallies.remove(&charge.key());
        }
    }
}

impl Shard {
    fn spill(&mut self, key: u64) -> Option<&mut Tally> {
        self.spill.resize(SPILL, Tally::default());
        self.spill.get_mut(spill_index(key))
    }

    fn spilled(&self, key: u64) -> Tally {
        self.spill.get(spill_index(key)).copied().unwrap_or_default()
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl AttemptLimiter for MemoryLimiter {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::ready(match self.charge_both(key) {
            Some(Ok(charges)) => Ok(Reserved::Charged(reservation(charges))),
            Some(Err(retry_after)) => Ok(Reserved::Refused { retry_after }),
            None => Err(BackendError::fault("the limiter has no shard for a key")),
        })
    }

    fn settle(&self, reservation: Reservation, settlement: Settlement) -> MaybeFuture<'_, Result<(), BackendError>> {
        let [guess, address] = charges(&reservation);
        match settlement {
            Settlement::Success => self.forget(guess),
            Settlement::Undecided => self.give_back(guess),
        }
        self.give_back(address);
        MaybeFuture::ready(Ok(()))
    }
}

fn reservation(charges: [Charge; 2]) -> Reservation {
    let mut key = [0; 32];
    let bytes = charges.iter().flat_map(|charge| charge.0.to_le_bytes());
    key.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    Reservation::new(key)
}

fn charges(reservation: &Reservation) -> [Charge; 2] {
    let (chunks, _) = reservation.key().as_chunks::<8>();
    let charge = |index: usize| Charge(chunks.get(index).map_or(0, |bytes| u64::from_le_bytes(*bytes)));
    [charge(0), charge(1)]
}

fn spill_index(key: u64) -> usize {
    usize::try_from(key >> 32).unwrap_or(0) & (SPILL - 1)
}

/// The two halves of the network that counts as one peer: an IPv4 address in its mapped form, or the /64 of an IPv6
/// address, whose lower half is 0.
fn network(address: IpAddr) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, rest @ ..] = Network::of(address).to_bits().to_be_bytes();
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(rest))
}

/// No address at all: equal to no network.
const NO_NETWORK: (u64, u64) = (0, u64::MAX);

/// The keys are hashes already, under a key that nobody outside knows.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, key: u64) {
        // The lowest bits chose the shard and are equal in all of it; the table looks at the lowest and at the highest.
        self.0 = key.rotate_left(25);
    }

    /// Only `u64` is hashed here.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

impl std::fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryLimiter")
            .field("budget", &self.budget)
            .field("address_attempts", &self.address_attempts)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
