//! The order of attempts in this process: those that would only be first in each other's way come one after the other.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use super::lines::{InLine, Lines};
use crate::boundary::backend::BackendError;
use crate::limiter::step::network::{Tier, is_ipv6, widened};

/// How many attempts of one network may be under way. Any more are 503 before anything is compared, so that the answer says
/// nothing of a secret.
pub(super) const MOST_OF_A_NETWORK: usize = 512;

/// How often an attempt tries for both turns.
const ROUNDS: usize = 3;

/// Attempts on one account, and attempts from one network, have their turns one after the other, in the order in which they ask.
/// So a process meets conflicts with other processes only, and a right secret is compared after the wrong ones that came before it
/// were charged.
///
/// No attempt holds one turn while it waits for the other. So a crowd on one account keeps no network waiting, and a crowd from
/// one network no account: it takes time from attempts that share its account or its network, and from no others.
#[derive(Default)]
pub(super) struct Turns {
    guesses: Lines<u64, Turning>,
    networks: Lines<u64, Turning>,
}

/// Whose turn it is.
type Turning = Mutex<()>;

/// An attempt in its lines.
pub(super) struct Queue<'a> {
    guess: InLine<'a, u64, Turning>,
    network: Option<InLine<'a, u64, Turning>>,
}

/// While it lives, no other attempt has a turn on the same account; nor on the same network, unless that was too busy.
pub(super) struct Turn<'a> {
    // Given back first: the next one on the account finds the network free.
    _network: Option<MutexGuard<'a, ()>>,
    _guess: MutexGuard<'a, ()>,
}

impl Turns {
    /// A new attempt in the lines of this account or client, and from this network if that counts. It is 503 if too many of the
    /// network are under way.
    pub(super) fn queue(&self, guess: u64, network: Option<u64>) -> Result<Queue<'_>, BackendError> {
        let queue = self.queue_again(guess, network);
        match &queue.network {
            Some(network) if network.others >= MOST_OF_A_NETWORK => {
                Err(BackendError::overloaded(Duration::from_secs(1)))
            }
            _ => Ok(queue),
        }
    }

    /// The same of an attempt that was charged, and so let in, before.
    pub(super) fn queue_again(&self, guess: u64, network: Option<u64>) -> Queue<'_> {
        // All of a /48, whose records they share.
        let around = |network| if is_ipv6(network) { widened(network, Tier::Net48) } else { network };
        Queue { guess: self.guesses.join(guess), network: network.map(|network| self.networks.join(around(network))) }
    }
}

impl Queue<'_> {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let guess = &self.guess.shared;
        let Some(network) = self.network.as_ref().map(|network| &network.shared) else {
            return Turn { _network: None, _guess: guess.lock().await };
        };
        for _ in 0..ROUNDS {
            let on_guess = guess.lock().await;
            if let Ok(on_network) = network.try_lock() {
                return Turn { _network: Some(on_network), _guess: on_guess };
            }
            drop(on_guess);
            let on_network = network.lock().await;
            if let Ok(on_guess) = guess.try_lock() {
                return Turn { _network: Some(on_network), _guess: on_guess };
            }
        }
        // Both are crowded: on the network it is decided by the swaps.
        let on_guess = guess.lock().await;
        Turn { _network: network.try_lock().ok(), _guess: on_guess }
    }
}
