//! Who waits for whom in this process: attempts that would only be first in each other's way.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::protection::network::{Tier, is_ipv6, widened};

/// In how many parts accounts, and networks, wait: a power of two, so that a mask picks the part.
const PARTS: usize = MASK as usize + 1;
const MASK: u64 = 0xff;

/// All who count on one account or one network come one after the other, in the order in which they ask. So no account is
/// kept from a login by those who guess at it, and a process meets conflicts with other processes only.
///
/// It also makes a right check wait behind wrong ones that were compared before it: many guesses at once must not be told the
/// right one beyond the budget that the wrong ones spend.
pub(super) struct Turns {
    guesses: Vec<Guess>,
    networks: Vec<Mutex<()>>,
}

#[derive(Default)]
struct Guess {
    lock: RwLock<()>,
    /// How many turns are over.
    turns: AtomicU64,
}

/// The place of an attempt among all.
pub(super) struct Queue<'a> {
    guess: Option<&'a Guess>,
    network: Option<&'a Mutex<()>>,
}

/// As long as it lives, nobody else has a turn on the same account or network.
pub(super) struct Turn<'a> {
    guess: Option<&'a Guess>,
    _guess: Option<RwLockWriteGuard<'a, ()>>,
    _network: Option<MutexGuard<'a, ()>>,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            guesses: (0..PARTS).map(|_| Guess::default()).collect(),
            networks: (0..PARTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The place of those that count on this account or client, and on this network if there is one.
    pub(super) fn queue(&self, guess: u64, network: Option<u64>) -> Queue<'_> {
        let part = |digest: u64| (digest >> 20 & MASK) as usize;
        // All of a /48, whose records they share.
        let around = |network| if is_ipv6(network) { widened(network, Tier::Net48) } else { network };
        Queue {
            guess: self.guesses.get(part(guess)),
            network: network.and_then(|network| self.networks.get(part(around(network)))),
        }
    }
}

impl<'a> Queue<'a> {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'a> {
        // All in this order, so that none waits in a circle; and those who crowd one account hold up no network meanwhile.
        let on_guess = match self.guess {
            Some(guess) => Some(guess.lock.write().await),
            None => None,
        };
        let on_network = match self.network {
            Some(network) => Some(network.lock().await),
            None => None,
        };
        Turn { guess: self.guess, _guess: on_guess, _network: on_network }
    }

    /// How many turns on the account or client are over.
    pub(super) fn turns(&self) -> u64 {
        self.guess.map_or(0, |guess| guess.turns.load(Ordering::Acquire))
    }

    /// Waits for those who asked for a turn on the account or client before, together with others who change nothing.
    pub(super) async fn behind(&self) -> Option<RwLockReadGuard<'a, ()>> {
        match self.guess {
            Some(guess) => Some(guess.lock.read().await),
            None => None,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // What it swapped is seen by all who load from now on.
        if let Some(guess) = self.guess {
            guess.turns.fetch_add(1, Ordering::Release);
        }
    }
}
