//! Hashes of older password hash functions (feature `legacy-hashes`).

#[cfg(feature = "legacy-hashes")]
mod bcrypt_texts;
#[cfg(feature = "legacy-hashes")]
mod caps;
#[cfg(feature = "legacy-hashes")]
mod decode;
#[cfg(not(feature = "legacy-hashes"))]
mod disabled;
#[cfg(feature = "legacy-hashes")]
mod enabled;
#[cfg(feature = "legacy-hashes")]
mod options;
#[cfg(feature = "legacy-hashes")]
mod pbkdf2_texts;
#[cfg(feature = "legacy-hashes")]
mod scrypt_texts;

#[cfg(not(feature = "legacy-hashes"))]
pub(super) use disabled::{Caps, Hash};
#[cfg(feature = "legacy-hashes")]
pub(super) use {caps::Caps, enabled::Hash};
