//! Counting attempts in this process.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::tally::{Budget, Tally};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, Guess, Reservation, Reserved, Settlement};
use crate::boundary::maybe::MaybeFuture;

const SHARDS: usize = 64;
/// Shared tallies of a shard, for keys that find no room of their own.
const SPILL: usize = 256;

/// Counts attempts per account and address, and per client and address, in the memory of this process.
///
/// Bounded: it holds at most [`capacity`](Self::with_capacity) keys. When it is full of keys that still count, new keys
/// share a fixed number of spill tallies, chosen by a keyed hash: a flood can make the limiter stricter, never forget.
/// IPv6 addresses count by their /64. A restart clears it, and processes do not share it.
pub struct MemoryLimiter {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    budget: Budget,
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

/// Where a charge lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Own,
    Spill,
}

impl MemoryLimiter {
    /// 10 attempts within 15 minutes for each account and address, and for each client and address; 262,144 keys.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            budget: Budget { attempts: 10, window: Duration::from_secs(15 * 60) },
            capacity: 262_144,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Another budget: `attempts` (at least 1) within `window`.
    #[must_use]
    pub fn with_budget(mut self, attempts: u32, window: Duration) -> Self {
        self.budget = Budget { attempts: attempts.max(1), window };
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

    /// 64 bits under a key that nobody outside knows, so nobody can look for two names with one hash; every part is
    /// hashed with its length or its kind.
    fn hash(&self, key: &AttemptKey<'_>) -> u64 {
        let (kind, realm, name) = match key.guess {
            Guess::Account { realm: None, account } => (0, "", account),
            Guess::Account { realm: Some(realm), account } => (1, realm, account),
            Guess::Client { client_id } => (2, "", client_id),
        };
        let (upper, lower) = key.address.map_or(NO_NETWORK, network);
        // Fewer and longer pieces than `#[derive(Hash)]` would feed.
        let head = [kind, realm.len() as u64, name.len() as u64, upper, lower].map(u64::to_ne_bytes);
        let mut hasher = self.hasher.build_hasher();
        hasher.write(head.as_flattened());
        hasher.write(realm.as_bytes());
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    fn shard(&self, key: u64) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::try_from(key % SHARDS as u64).ok()?;
        // Nothing can panic while the lock is held; if it did, the counts would still be right.
        self.shards.get(index).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn charge(&self, key: u64) -> Option<Result<Place, Duration>> {
        let now = self.clock.elapsed();
        let mut shard = self.shard(key)?;
        if let Some(tally) = shard.tallies.get_mut(&key) {
            return Some(tally.charge(self.budget, now).map(|()| Place::Own));
        }
        if shard.tallies.len() >= self.capacity / SHARDS && shard.next_sweep <= now {
            shard.tallies.retain(|_, tally| !tally.is_over(self.budget, now));
            shard.next_sweep = now.saturating_add(Duration::from_secs(1));
        }
        if shard.tallies.len() < self.capacity / SHARDS {
            let mut tally = Tally::default();
            let charged = tally.charge(self.budget, now);
            shard.tallies.insert(key, tally);
            return Some(charged.map(|()| Place::Own));
        }
        let tally = shard.spill(key)?;
        Some(tally.charge(self.budget, now).map(|()| Place::Spill))
    }

    fn take_back(&self, key: u64, place: Place, settlement: Settlement) {
        let Some(mut shard) = self.shard(key) else { return };
        match (place, settlement) {
            (Place::Own, Settlement::Success) => {
                shard.tallies.remove(&key);
            }
            (Place::Own, Settlement::Undecided) => {
                if let Some(tally) = shard.tallies.get_mut(&key) {
                    tally.refund();
                }
            }
            // A shared tally holds other keys' failures too, so only the own charge goes.
            (Place::Spill, _) => {
                if let Some(tally) = shard.spill(key) {
                    tally.refund();
                }
            }
        }
    }
}

impl Shard {
    fn spill(&mut self, key: u64) -> Option<&mut Tally> {
        self.spill.resize(SPILL, Tally::default());
        let index = usize::try_from((key >> 32) % SPILL as u64).ok()?;
        self.spill.get_mut(index)
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl AttemptLimiter for MemoryLimiter {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        let hash = self.hash(key);
        MaybeFuture::ready(match self.charge(hash) {
            Some(Ok(place)) => Ok(Reserved::Charged(reservation(hash, place))),
            Some(Err(retry_after)) => Ok(Reserved::Refused { retry_after }),
            None => Err(BackendError::fault("the limiter has no shard for a key")),
        })
    }

    fn settle(&self, reservation: Reservation, settlement: Settlement) -> MaybeFuture<'_, Result<(), BackendError>> {
        if let Some((hash, place)) = place_of(&reservation) {
            self.take_back(hash, place, settlement);
        }
        MaybeFuture::ready(Ok(()))
    }
}

fn reservation(hash: u64, place: Place) -> Reservation {
    let mut key = [0; 32];
    for (slot, byte) in key.iter_mut().zip(hash.to_le_bytes().into_iter().chain([u8::from(place == Place::Spill)])) {
        *slot = byte;
    }
    Reservation::new(key)
}

fn place_of(reservation: &Reservation) -> Option<(u64, Place)> {
    let (hash, rest) = reservation.key().split_first_chunk()?;
    let place = if rest.first() == Some(&1) { Place::Spill } else { Place::Own };
    Some((u64::from_le_bytes(*hash), place))
}

/// The two halves of the network that counts as one peer: an IPv4 address in its mapped form, or the /64 of an IPv6
/// address, whose lower half is 0.
fn network(address: IpAddr) -> (u64, u64) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (0, 0xffff_0000_0000 | u64::from(v4.to_bits())),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments().map(u64::from);
            (a << 48 | b << 32 | c << 16 | d, 0)
        }
    }
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
        // The lowest bits chose the shard and are equal in all of it.
        self.0 = key.rotate_right(SHARDS.trailing_zeros());
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
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
