//! Hashes of older password hash functions (feature `legacy-hashes`).

#[cfg(not(feature = "legacy-hashes"))]
mod disabled;
#[cfg(feature = "legacy-hashes")]
mod enabled;
#[cfg(feature = "legacy-hashes")]
mod options;

#[cfg(not(feature = "legacy-hashes"))]
pub(super) use disabled::{Caps, Hash};
#[cfg(feature = "legacy-hashes")]
pub(super) use enabled::{Caps, Hash};
