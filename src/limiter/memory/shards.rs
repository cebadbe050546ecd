//! How the tables are divided. A model checker (`RUSTFLAGS="--cfg shuttle"`) needs the same run twice, so it gets a key that is
//! always the same, and few shards.

use zeroize::Zeroizing;

use crate::protocol::secret::keyed::Keyed;

/// The key of the digests of names and networks.
pub(crate) fn digest_key() -> Keyed {
    if cfg!(shuttle) { Keyed::Given(Zeroizing::new([0; 32])) } else { Keyed::random() }
}

/// Into how many parts, each with its lock, every table falls: a power of two, so that a mask picks the part.
pub(crate) const SHARDS: usize = if cfg!(shuttle) { 2 } else { 64 };

/// The same for the networks of IPv6 that are wider than a /64.
pub(crate) const WIDE_SHARDS: usize = if cfg!(shuttle) { 1 } else { 4 };
