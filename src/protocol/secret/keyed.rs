//! Short digests under a secret key, which show that two values are the same and nothing else.

use std::hash::Hasher as _;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::shared_key::{KeyUse, SharedKey};
use super::word_hash::{Key, WordHash};

/// A key of digests of 64 bits: without it no attacker can look for two values with one digest, or test a value.
#[derive(Clone)]
pub(crate) enum Keyed {
    /// Of this process, for a hash that is fast.
    Own(Key),
    /// Given from outside, so that the digests are the same elsewhere and later: SHA-256 behind the key, of which the digest is a
    /// quarter, so that nothing can be appended to what was digested.
    Given(Zeroizing<[u8; 32]>),
}

impl Keyed {
    /// Under the operator's key if there is one, else one of this process.
    pub(crate) fn new(shared: Option<&SharedKey>, purpose: KeyUse) -> Self {
        shared.map_or_else(Self::random, |shared| Self::Given(shared.for_purpose(purpose)))
    }

    /// Under the operator's key if there is one, else one that everybody knows: so that the digests are the same elsewhere and later
    /// in any case, where nothing is lost if a stranger can compute them.
    pub(crate) fn shared_or_known(shared: Option<&SharedKey>, purpose: KeyUse) -> Self {
        Self::Given(shared.map_or_else(Zeroizing::default, |shared| shared.for_purpose(purpose)))
    }

    /// Under a key that this process alone has.
    pub(crate) fn random() -> Self {
        Self::Own(Key::random())
    }

    /// The digest of a number and these bytes, which may be joined: let the number encode the lengths of all but the last.
    #[inline]
    pub(crate) fn digest<const N: usize>(&self, number: u64, parts: [&[u8]; N]) -> u64 {
        match self {
            Self::Own(key) => {
                let mut hash = WordHash::under(*key);
                hash.add(number);
                parts.iter().for_each(|part| hash.add_bytes(part));
                hash.finish()
            }
            Self::Given(key) => Self::digest_under(key, number, &parts),
        }
    }

    /// Apart, so that the fast way stays small.
    #[inline(never)]
    fn digest_under(key: &[u8; 32], number: u64, parts: &[&[u8]]) -> u64 {
        let mut hash = Sha256::new_with_prefix(key).chain_update(number.to_le_bytes());
        parts.iter().for_each(|part| hash.update(part));
        let bytes: [u8; 32] = hash.finalize().into();
        bytes.first_chunk().copied().map_or(0, u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_with_one_shared_key_make_one_digest_and_others_do_not() {
        let (one, other) = (SharedKey::new([3; 32]).unwrap(), SharedKey::new([4; 32]).unwrap());
        let digest = |shared| Keyed::new(shared, KeyUse::Fingerprints).digest(5, [b"ab"]);
        assert_eq!(digest(Some(&one)), digest(Some(&one)));
        assert_ne!(digest(Some(&one)), digest(Some(&other)));
        assert_ne!(digest(Some(&one)), digest(None));
        assert_ne!(digest(None), digest(None));
    }

    #[test]
    fn every_byte_counts_under_either_kind_of_key() {
        for keyed in [Keyed::random(), Keyed::Given(Zeroizing::new([5; 32]))] {
            let of = |number, parts: [&[u8]; 2]| keyed.digest(number, parts);
            let all = [
                of(0, [b"", b""]),
                of(1, [b"", b""]),
                of(1 << 63, [b"", b""]),
                of(1, [b"a", b""]),
                of(1, [b"a", b"b"]),
            ];
            assert!((0..all.len()).all(|at| !all[..at].contains(&all[at])));
            let last = [
                &b""[..],
                b"\0",
                b"\0\0",
                b"\x01",
                b"\0\0\0\0\0\0\0\x01",
                b"\0\0\0\0\0\0\0",
                &[0; 8],
                &[0; 9],
                &[0; 16],
            ];
            let all = last.map(|part| of(1, [b"a", part]));
            assert!((0..all.len()).all(|at| !all[..at].contains(&all[at])));
        }
    }
}
