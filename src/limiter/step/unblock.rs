//! What an operator unblocks: which records are forgotten. Pure; an engine finds these and has them begin anew.

use std::net::IpAddr;

use super::digests::Digests;
use super::key::Key;
use super::network::around;
use super::slots::TableKind;
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::Guess;

/// Records of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Of this account or client, whatever the network.
    OfGuess(u64),
    /// Of this network, whatever the account or client.
    OfNetwork(u64),
    One(Key),
}

/// Records that are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) table: TableKind,
    pub(crate) which: Which,
    /// Whether the operator is answered how many of them still counted. What wider networks have spent is not an account's or an
    /// address's own.
    pub(crate) is_counted: bool,
}

impl Forgotten {
    /// Whether a record of its table is one of these.
    pub(crate) fn has(&self, (guess, network): Key) -> bool {
        match self.which {
            Which::OfGuess(of) => guess == of,
            Which::OfNetwork(of) => network == of,
            Which::One(key) => (guess, network) == key,
        }
    }
}

/// What is forgotten at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unblock {
    pub(crate) forgotten: Vec<Forgotten>,
    /// The account or client whose owner gets the notice of the next lock again.
    pub(crate) untold: Option<u64>,
}

impl Unblock {
    /// All attempts on an account.
    pub(crate) fn account(digests: &Digests, realm: Option<&str>, account: &AccountKey<'_>) -> Self {
        let guess = digests.guess(&Guess::Account { realm, account });
        let all = Which::OfGuess(guess);
        let own = [(TableKind::Pair, all), (TableKind::Account, Which::One((guess, 0)))];
        Self::new(own, [all], Some(guess))
    }

    /// All attempts from an address, and what the networks around it have spent together, which would refuse it still.
    pub(crate) fn address(digests: &Digests, address: IpAddr) -> Self {
        let network = digests.network(Some(address));
        let own = [(TableKind::Pair, Which::OfNetwork(network)), (TableKind::Address, Which::One((0, network)))];
        Self::new(own, around(network).map(Which::OfNetwork), None)
    }

    /// The attempts on an account or client from one address.
    pub(crate) fn pair(digests: &Digests, guess: &Guess<'_>, address: Option<IpAddr>) -> Self {
        let (guess, network) = (digests.guess(guess), digests.network(address));
        let own = [(TableKind::Pair, Which::One((guess, network)))];
        Self::new(own, around(network).map(|around| Which::One((guess, around))), Some(guess))
    }

    /// All attempts on the second factor of a user.
    pub(crate) fn factor(digests: &Digests, realm: Option<&str>, subject: &str) -> Self {
        let own = digests
            .of_user(realm, subject)
            .map(|guess| [(TableKind::Pair, Which::OfGuess(guess)), (TableKind::Account, Which::One((guess, 0)))]);
        Self::new(own.into_iter().flatten(), [], None)
    }

    fn new(
        own: impl IntoIterator<Item = (TableKind, Which)>,
        wide: impl IntoIterator<Item = Which>,
        untold: Option<u64>,
    ) -> Self {
        let own = own.into_iter().map(|(table, which)| Forgotten { table, which, is_counted: true });
        let wide = wide.into_iter().map(|which| Forgotten { table: TableKind::Wide, which, is_counted: false });
        Self { forgotten: own.chain(wide).collect(), untold }
    }
}

#[cfg(test)]
#[path = "unblock_tests.rs"]
mod tests;
