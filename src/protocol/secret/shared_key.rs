//! The key that the operator gives to all processes, so that they make the same digests.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::protocol::explained::explained;

/// The fewest bytes of a key: 256 bits.
const MIN_KEY: usize = 32;
/// What the material is digested with, so that the same bytes serve nothing else.
const DOMAIN: &[u8] = b"tower-password-grant shared key\0";

/// A key that all processes of one service share, and that outlives a restart. Give it to
/// [`AttackProtection::shared_key`](crate::limiter::AttackProtection::shared_key), and to the store in which attempts are
/// counted.
///
/// Without it each process makes a key of its own at the start. Then the same mistake counts twice if it comes through a second
/// process or after a restart, and audit digests of two processes do not compare. With it:
///
/// | What | Without | With |
/// |---|---|---|
/// | the fingerprint of a password, by which a repeated mistake counts once | of one process | of all |
/// | the digests of names and networks in a shared store | under a key that the store keeps itself | only a holder of the key can test a name |
/// | [`AccountDigest`](crate::audit::AccountDigest) | of one process | of all |
/// | which users the [ramp](crate::client::Sunset::ramp_from) of a client's end reaches first | anybody can compute it | only a holder of the key can |
///
/// Keep it apart from what it protects: in a secret manager, not in the database or its backup. Anyone who has both the key and the
/// store can test which names were tried, and whether a password that was tried is a given one.
///
/// There is one key at a time. An older one would be of no use: a repeated mistake is recognised for half a minute, and counts are
/// found under one digest. To change the key, stop all processes and start them with the new one: a mistake in that moment counts
/// twice, and a store that kept digests under the old key says what to do.
///
/// The memory is overwritten when it is dropped, and `Debug` shows nothing of it.
///
/// ```
/// use tower_password_grant::limiter::SharedKey;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = vec![7; 32]; // `openssl rand 32`
/// let key = SharedKey::new(secret)?;
/// assert_eq!(format!("{key:?}"), "SharedKey([redacted])");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedKey(Zeroizing<[u8; 32]>);

/// What a digest under a shared key is for: none can stand for one of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// Fingerprints of passwords.
    Fingerprints,
    /// Names in the audit trail.
    Accounts,
    /// Places of refresh token families.
    Places,
    /// Names and networks in a store in which attempts are counted.
    Attempts,
    /// Which users the ramp of a client's end reaches first.
    Ramp,
    /// A mark of the key, by which a store knows under which one it was written.
    #[allow(dead_code, reason = "for limiters in stores, which are features")]
    Check,
}

impl KeyUse {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Fingerprints => b"fingerprints",
            Self::Accounts => b"accounts",
            Self::Places => b"places",
            Self::Attempts => b"attempts",
            Self::Ramp => b"ramp",
            Self::Check => b"check",
        }
    }
}

impl SharedKey {
    /// A key of this material: 32 bytes or more, made at random (`openssl rand 32`), not chosen by a person.
    ///
    /// # Errors
    /// Fails if it is shorter.
    pub fn new(material: impl Into<Vec<u8>>) -> Result<Self, SharedKeyError> {
        let material = Zeroizing::new(material.into());
        if material.len() < MIN_KEY {
            return Err(SharedKeyError);
        }
        Ok(Self(digest(DOMAIN, &material)))
    }

    /// The key for one purpose, which shows nothing of the others.
    pub(crate) fn for_purpose(&self, purpose: KeyUse) -> Zeroizing<[u8; 32]> {
        digest(&*self.0, purpose.name())
    }
}

/// One of the two has a fixed length, so that no two pairs are the same text.
fn digest(one: &[u8], other: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(Sha256::new().chain_update(one).chain_update(other).finalize().into())
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey([redacted])")
    }
}

/// A [`SharedKey`] is too short.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shared key must have 32 bytes or more: make it of 32 random bytes")]
pub struct SharedKeyError;

impl fmt::Debug for SharedKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_32_bytes_or_more() {
        for length in [0, 16, 31] {
            assert_eq!(SharedKey::new(vec![1; length]).err(), Some(SharedKeyError), "{length}");
        }
        assert!(SharedKey::new(vec![1; 32]).is_ok() && SharedKey::new(vec![1; 4096]).is_ok());
    }

    #[test]
    fn each_purpose_and_each_key_has_a_digest_of_its_own() {
        let (one, other) = (SharedKey::new([1; 32]).unwrap(), SharedKey::new([2; 32]).unwrap());
        let fingerprints = one.for_purpose(KeyUse::Fingerprints);
        assert_eq!(fingerprints, one.clone().for_purpose(KeyUse::Fingerprints));
        assert_ne!(fingerprints, one.for_purpose(KeyUse::Accounts));
        assert_ne!(fingerprints, other.for_purpose(KeyUse::Fingerprints));
        // The whole material counts, however long it is.
        let mut long = [1; 64];
        let before = SharedKey::new(long).unwrap().for_purpose(KeyUse::Accounts);
        long[63] = 2;
        assert_ne!(before, SharedKey::new(long).unwrap().for_purpose(KeyUse::Accounts));
    }

    #[test]
    fn the_key_never_shows() {
        assert_eq!(
            format!("{:?}", SharedKey::new(*b"0123456789abcdef0123456789abcdef").unwrap()),
            "SharedKey([redacted])"
        );
    }
}
