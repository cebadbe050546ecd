//! Short digests under a secret key, which tell that two values are the same and nothing else.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::shared_key::{Purpose, SharedKey};

/// A key of digests of 64 bits: without it nobody can look for two values with one digest, or test a value.
pub(crate) enum Keyed {
    /// Of this process: what its maps are keyed with, which is fast.
    Own(RandomState),
    /// Given from outside, so that the digests are the same elsewhere and later: SHA-256 behind the key, of which the digest is a
    /// quarter, so that nothing can be appended to what was digested.
    Given(Zeroizing<[u8; 32]>),
}

impl Keyed {
    /// Under the operator's key if there is one, else one of this process.
    pub(crate) fn new(shared: Option<&SharedKey>, purpose: Purpose) -> Self {
        shared.map_or_else(Self::random, |shared| Self::Given(shared.for_purpose(purpose)))
    }

    /// Under a key that nobody else has.
    pub(crate) fn random() -> Self {
        Self::Own(RandomState::new())
    }

    /// Begins a digest.
    pub(crate) fn begin(&self) -> KeyedDigest {
        match self {
            Self::Own(key) => KeyedDigest::Own(key.build_hasher()),
            Self::Given(key) => KeyedDigest::Given(Sha256::new_with_prefix(**key)),
        }
    }

    /// The digest of a number.
    pub(crate) fn of_number(&self, number: u64) -> u64 {
        self.begin().number(number).finish()
    }
}

/// A digest that is being made. Its parts are joined as they come: put their lengths in, too.
pub(crate) enum KeyedDigest {
    Own(DefaultHasher),
    Given(Sha256),
}

impl KeyedDigest {
    /// With 8 bytes more.
    pub(crate) fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// With these bytes more.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        match &mut self {
            Self::Own(hasher) => hasher.write(bytes),
            Self::Given(hash) => hash.update(bytes),
        }
        self
    }

    pub(crate) fn finish(self) -> u64 {
        match self {
            Self::Own(hasher) => hasher.finish(),
            Self::Given(hash) => {
                let bytes: [u8; 32] = hash.finalize().into();
                bytes.first_chunk().copied().map_or(0, u64::from_le_bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_with_one_shared_key_make_one_digest_and_others_do_not() {
        let (one, other) = (SharedKey::new([3; 32]).unwrap(), SharedKey::new([4; 32]).unwrap());
        let digest = |shared| Keyed::new(shared, Purpose::Fingerprints).begin().number(5).bytes(b"ab").finish();
        assert_eq!(digest(Some(&one)), digest(Some(&one)));
        assert_ne!(digest(Some(&one)), digest(Some(&other)));
        assert_ne!(digest(Some(&one)), digest(None));
        assert_ne!(digest(None), digest(None));
    }

    #[test]
    fn every_byte_counts_under_either_kind_of_key() {
        for keyed in [Keyed::random(), Keyed::Given(Zeroizing::new([5; 32]))] {
            let all = [keyed.of_number(0), keyed.of_number(1), keyed.of_number(1 << 63), keyed.begin().finish()];
            assert!((0..all.len()).all(|at| !all[..at].contains(&all[at])));
            assert_eq!(keyed.of_number(1), keyed.begin().bytes(&[1, 0, 0, 0]).bytes(&[0; 4]).finish());
        }
    }
}
