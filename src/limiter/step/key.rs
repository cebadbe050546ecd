//! Under which keys is counted, and where what is counted lies.

/// Hashes of the guess and of the network, under a secret key; 0 for a part that is not counted on.
pub(crate) type Key = (u64, u64);

/// What kind of guess it is: by it the budgets are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GuessKind {
    Account,
    Client,
    /// Nothing that can be guessed: only the address counts.
    Nobody,
    /// A code of a user's second factor.
    Factor,
    RecoveryCode,
    /// A message with a code.
    Delivery,
}

impl GuessKind {
    /// Whether it belongs to a second factor. Then nobody is spared, neither by the allow-list nor by a known address, and the same
    /// again counts again.
    #[inline]
    pub(crate) const fn is_of_factor(self) -> bool {
        matches!(self, Self::Factor | Self::RecoveryCode | Self::Delivery)
    }

    /// Whether its pair is no account with an address, but a user with a challenge or an authenticator. What such a one is charged
    /// never comes back, and its lock is none for operators.
    #[inline]
    pub(crate) const fn has_own_pair(self) -> bool {
        matches!(self, Self::Factor | Self::Delivery)
    }
}

/// The three highest bits of the hash of a guess tell its kind: they choose neither a shard nor a cell.
const KIND: u32 = 61;

/// The hash of a guess with the number of its [kind](GuessKind).
#[inline]
pub(crate) const fn with_kind(hash: u64, kind: u64) -> u64 {
    hash & !(7 << KIND) | kind << KIND
}

/// The kind of a guess.
#[inline]
pub(crate) const fn kind(guess: u64) -> GuessKind {
    match guess >> KIND {
        0 => GuessKind::Account,
        1 => GuessKind::Client,
        2 => GuessKind::Nobody,
        3 => GuessKind::Factor,
        4 => GuessKind::RecoveryCode,
        _ => GuessKind::Delivery,
    }
}

/// In the place of a network: all challenges of a user, in a short time.
pub(crate) const RECENT: u64 = 2;

/// In the place of a network: an attempt that was pending, and succeeded.
pub(crate) const SPENT: u64 = 3;

/// In the place of a network: one challenge or authenticator of a user. It is no network of IPv6, and chooses no shard, so that all of a
/// user lie in one.
#[inline]
pub(crate) const fn part(hash: u64) -> u64 {
    hash & !0xffff_8000 | 4
}

/// Where a tally lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Own,
    Shared,
    /// Shared by preferred keys only.
    Spared,
}

impl Place {
    /// Where a key without a place of its own is counted.
    #[inline]
    pub(crate) const fn shared(has_spared: bool, preferred: bool) -> Self {
        if preferred && has_spared { Self::Spared } else { Self::Shared }
    }
}
