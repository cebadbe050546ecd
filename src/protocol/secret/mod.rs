//! Secrets, the digests under which they are kept, and the keys of these digests.

pub(crate) mod keyed;
pub(crate) mod secret_keys;
pub(crate) mod secrets;
pub(crate) mod shared_key;
pub(crate) mod word_hash;
