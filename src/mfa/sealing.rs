//! Values that only the application can make and read: XChaCha20-Poly1305 under its keys.
//!
//! ```text
//! header = version (1) | id of the key, zeros behind it (8)
//! sealed = header | nonce (24, random) | ciphertext | tag (16)
//! associated data = header | kind (1) | for each text of the context: length (8), text
//! ```

use std::mem;

use chacha20poly1305::{AeadInOut as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::boundary::factors::tools::{SealedKind, Unlocked};
use crate::protocol::secret::secret_keys::{MAX_ID, SecretKeys};
use crate::protocol::secret::secrets::{RandomnessError, fill_random};
use crate::protocol::wiped::Wiped;

const VERSION: u8 = 1;
const HEADER: usize = 1 + MAX_ID;
const NONCE: usize = 24;
const TAG: usize = 16;
/// What is authenticated with a value is mostly shorter.
const ASSOCIATED: usize = 256;

/// What stands before a secret where the key of this room is made of it, so that the same secret can serve elsewhere.
const PURPOSE: &[u8] = b"tower-password-grant second factor\0";

/// The keys of sealed values.
pub(super) struct Sealer {
    current: SealingKey,
    older: Vec<SealingKey>,
}

struct SealingKey {
    header: [u8; HEADER],
    cipher: XChaCha20Poly1305,
}

impl SealingKey {
    fn new(id: &str, secret: &[u8]) -> Self {
        let mut header = [0; HEADER];
        let named = std::iter::once(VERSION).chain(id.bytes());
        header.iter_mut().zip(named).for_each(|(to, byte)| *to = byte);
        let key = Sha256::new().chain_update(PURPOSE).chain_update(secret).finalize();
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(key.into());
        Self { header, cipher: XChaCha20Poly1305::new((&*key).into()) }
    }

    /// Calls with what is authenticated together with a value, and not in it.
    fn associate<T>(&self, kind: SealedKind, context: &[&str], call: impl FnOnce(&[u8]) -> T) -> T {
        let length = associated_length(context);
        let (mut short, mut long) = ([0; ASSOCIATED], Vec::new());
        let data = match short.get_mut(..length) {
            Some(short) => short,
            None => {
                long.resize(length, 0);
                long.as_mut_slice()
            }
        };
        let mut rest = &mut *data;
        write(&mut rest, &self.header);
        write(&mut rest, &[number(kind)]);
        for text in context {
            write(&mut rest, &(text.len() as u64).to_be_bytes());
            write(&mut rest, text.as_bytes());
        }
        call(data)
    }
}

/// Writes at the beginning of the rest, which is shorter then.
fn write(rest: &mut &mut [u8], bytes: &[u8]) {
    if let Some((to, left)) = mem::take(rest).split_at_mut_checked(bytes.len()) {
        to.copy_from_slice(bytes);
        *rest = left;
    }
}

/// The length of what is authenticated together with a value.
fn associated_length(context: &[&str]) -> usize {
    context.iter().fold(HEADER + 1, |sum, text| sum.saturating_add(text.len()).saturating_add(8))
}

/// The number of a kind in associated data. It never changes.
const fn number(kind: SealedKind) -> u8 {
    match kind {
        SealedKind::MfaToken => 1,
        SealedKind::OobCode => 2,
        SealedKind::AuthenticatorSecret => 3,
    }
}

impl Sealer {
    pub(super) fn new(keys: &SecretKeys) -> Self {
        let current = SealingKey::new(keys.current_id(), keys.expose_current());
        let with_secret = |id| keys.expose(id).map(|secret| SealingKey::new(id, secret));
        Self { current, older: keys.ids().skip(1).filter_map(with_secret).collect() }
    }

    /// Seals a value under the current key.
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness.
    pub(super) fn seal(&self, kind: SealedKind, context: &[&str], plain: &[u8]) -> Result<Vec<u8>, RandomnessError> {
        let key = &self.current;
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce)?;
        // Room for all of it: a vector that grows leaves the value in the clear behind.
        let mut sealed = Vec::with_capacity(plain.len().saturating_add(HEADER + NONCE + TAG));
        sealed.extend_from_slice(&key.header);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let value = sealed.get_mut(HEADER + NONCE..).unwrap_or_default();
        let tag = key.associate(kind, context, |associated| {
            key.cipher.encrypt_inout_detached((&nonce).into(), associated, value.into())
        });
        // A value of 256 GiB would be too long.
        let Ok(tag) = tag else { return Ok(Vec::new()) };
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what was sealed as this kind and for this context, under whichever of the keys.
    pub(super) fn open(&self, kind: SealedKind, context: &[&str], sealed: Vec<u8>) -> Option<Unlocked> {
        let mut bytes = Wiped::new(sealed);
        let (header, rest) = bytes.split_first_chunk_mut::<HEADER>()?;
        let (nonce, rest) = rest.split_first_chunk_mut::<NONCE>()?;
        let (value, tag) = rest.split_last_chunk_mut::<TAG>()?;
        let key = std::iter::once(&self.current).chain(&self.older).find(|key| key.header == *header)?;
        let (nonce, tag): (&XNonce, &Tag) = ((&*nonce).into(), (&*tag).into());
        let place = HEADER + NONCE..value.len().checked_add(HEADER + NONCE)?;
        key.associate(kind, context, |associated| {
            key.cipher.decrypt_inout_detached(nonce, associated, value.into(), tag)
        })
        .ok()?;
        Some(Unlocked { bytes, value: place })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [SealedKind; 3] = [SealedKind::MfaToken, SealedKind::OobCode, SealedKind::AuthenticatorSecret];

    fn keys() -> SecretKeys {
        SecretKeys::new("2026-11", [7; 32]).unwrap()
    }

    fn opened(sealer: &Sealer, kind: SealedKind, context: &[&str], sealed: &[u8]) -> Option<Vec<u8>> {
        sealer.open(kind, context, sealed.to_vec()).map(|value| value.to_vec())
    }

    proptest! {
        #[test]
        fn a_value_opens_as_its_kind_for_its_context_and_with_every_byte_in_its_place(
            plain: Vec<u8>, at: usize, bit in 0..8_u8, context in proptest::collection::vec("\\PC{0,6}", 0..4),
        ) {
            let sealer = Sealer::new(&keys());
            let context: Vec<&str> = context.iter().map(String::as_str).collect();
            let sealed = sealer.seal(KINDS[0], &context, &plain).unwrap();
            prop_assert_eq!(opened(&sealer, KINDS[0], &context, &sealed), Some(plain.clone()));
            prop_assert_eq!(sealed.len(), plain.len() + 49);
            for other in [KINDS[1], KINDS[2]] {
                prop_assert_eq!(opened(&sealer, other, &context, &sealed), None);
            }
            let at = at % sealed.len();
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            for other in [&changed[..], &sealed[..at], &[&sealed[..], &[0]].concat()] {
                prop_assert_eq!(opened(&sealer, KINDS[0], &context, other), None);
            }
        }

        #[test]
        fn any_bytes_are_none(bytes: Vec<u8>) {
            let sealer = Sealer::new(&keys());
            let behind_a_header = [&sealer.current.header[..], &bytes].concat();
            for bytes in [bytes, behind_a_header] {
                prop_assert_eq!(opened(&sealer, KINDS[0], &[], &bytes), None);
            }
        }
    }

    #[test]
    fn texts_of_the_context_are_not_joined() {
        let sealer = Sealer::new(&keys());
        let sealed = sealer.seal(KINDS[2], &["ab", "c"], b"secret").unwrap();
        for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["", "ab", "c"], &["c", "ab"], &[]] {
            assert_eq!(opened(&sealer, KINDS[2], other, &sealed), None, "{other:?}");
        }
    }

    #[test]
    fn older_keys_open_and_the_current_one_seals() {
        let before = Sealer::new(&keys());
        let old = before.seal(KINDS[0], &[], b"pending").unwrap();
        let after = Sealer::new(&SecretKeys::new("2027-01", [8; 32]).unwrap().with_older("2026-11", [7; 32]).unwrap());
        assert_eq!(opened(&after, KINDS[0], &[], &old).unwrap(), b"pending");
        let new = after.seal(KINDS[0], &[], b"pending").unwrap();
        assert_eq!(&new[1..9], b"2027-01\0");
        assert_eq!(opened(&before, KINDS[0], &[], &new), None);
        // Under the old name, and another secret: a name that was used again.
        let other = Sealer::new(&SecretKeys::new("2026-11", [9; 32]).unwrap());
        assert_eq!(opened(&other, KINDS[0], &[], &old), None);
    }

    #[test]
    fn one_secret_under_two_names_gives_a_value_one_name_alone() {
        let sealer = Sealer::new(&keys().with_older("old", [7; 32]).unwrap());
        let mut sealed = sealer.seal(KINDS[0], &[], b"value").unwrap();
        sealed[1..9].copy_from_slice(b"old\0\0\0\0\0");
        assert_eq!(opened(&sealer, KINDS[0], &[], &sealed), None);
    }

    #[test]
    fn the_same_value_is_never_sealed_alike() {
        let sealer = Sealer::new(&SecretKeys::random().unwrap());
        let mut seen = std::collections::HashSet::new();
        assert!((0..1000).all(|_| seen.insert(sealer.seal(KINDS[0], &[], b"same").unwrap())));
    }
}
