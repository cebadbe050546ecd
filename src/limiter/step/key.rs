//! Under which keys is counted, and where what is counted lies.

/// Hashes of the guess and of the network, under a secret key; 0 for a part that is not counted on.
pub(crate) type Key = (u64, u64);

/// The highest bit of the hash of a guess tells its kind: it chooses neither a shard nor a cell.
const CLIENT: u64 = 1 << 63;

/// The hash of a guess with its kind.
pub(crate) fn with_kind(hash: u64, is_client: bool) -> u64 {
    if is_client { hash | CLIENT } else { hash & !CLIENT }
}

/// Whether it is the hash of a client's id.
pub(crate) fn is_client(guess: u64) -> bool {
    guess & CLIENT != 0
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
    pub(crate) const fn shared(has_spared: bool, preferred: bool) -> Self {
        if preferred && has_spared { Self::Spared } else { Self::Shared }
    }
}
