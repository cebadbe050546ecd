//! Secret keys that are kept outside the database, and how they are changed.

use std::fmt;

use zeroize::Zeroizing;

use crate::protocol::explained::explained;
use crate::protocol::secret::secrets::{RandomnessError, random_bytes};

/// The longest id: what a stored Argon2 hash can name.
pub(crate) const MAX_ID: usize = 8;
/// The fewest bytes of a key: 128 bits.
const MIN_KEY: usize = 16;
/// The most bytes of a key.
const MAX_KEY: usize = 1024;

/// Secret keys with their ids: one that is current and makes what is new, and any number of older ones, which still verify what
/// they made.
///
/// Keep them apart from the data that they protect: in a secret manager, not in the database or its backup. Where a new key is
/// made, use 32 random bytes (`openssl rand 32`). To change keys, give the new one as the current one, keep the old one as an
/// older one, and drop that when nothing names it any more. What a lost key made is lost.
///
/// The memory of the keys is overwritten when they are dropped, and `Debug` shows the ids alone.
///
/// ```
/// use tower_password_grant::user::SecretKeys;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (new, old) = (vec![1; 32], vec![2; 32]);
/// let keys = SecretKeys::new("2026", new)?.with_older("2025", old)?;
/// assert_eq!(keys.current_id(), "2026");
/// assert_eq!(keys.ids().collect::<Vec<_>>(), ["2026", "2025"]);
/// assert_eq!(format!("{keys:?}"), r#"SecretKeys(["2026", "2025"])"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SecretKeys {
    current: Key,
    older: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    bytes: Zeroizing<Vec<u8>>,
}

impl Key {
    fn new(id: String, bytes: Vec<u8>) -> Result<Self, SecretKeysError> {
        let bytes = Zeroizing::new(bytes);
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(is_legal) {
            return Err(SecretKeysError::Id);
        }
        if !(MIN_KEY..=MAX_KEY).contains(&bytes.len()) {
            return Err(SecretKeysError::Length);
        }
        Ok(Self { id, bytes })
    }
}

impl SecretKeys {
    /// The current key: 16 to 1024 bytes, best 32 random ones. Its id stands in the clear beside what the key made: 1 to 8
    /// letters, digits, `-`, `_` and `.` of ASCII, never used for another key again.
    ///
    /// # Errors
    /// Fails for an id or a key outside these bounds.
    pub fn new(id: impl Into<String>, key: impl Into<Vec<u8>>) -> Result<Self, SecretKeysError> {
        Ok(Self { current: Key::new(id.into(), key.into())?, older: Vec::new() })
    }

    /// One key that this process alone has, with the id `random`: for tests, and for what may end with the process. What it made
    /// cannot be read after a restart, nor by another process.
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness.
    pub fn random() -> Result<Self, RandomnessError> {
        let key = Key { id: "random".to_owned(), bytes: Zeroizing::new(random_bytes()?.to_vec()) };
        Ok(Self { current: key, older: Vec::new() })
    }

    /// Adds a key that was the current one before: it verifies, but makes nothing new.
    ///
    /// # Errors
    /// Fails for an id or a key outside the bounds of [`new`](Self::new), and for an id that is there already.
    pub fn with_older(mut self, id: impl Into<String>, key: impl Into<Vec<u8>>) -> Result<Self, SecretKeysError> {
        let key = Key::new(id.into(), key.into())?;
        if self.ids().any(|known| known == key.id) {
            return Err(SecretKeysError::Repeated);
        }
        self.older.push(key);
        Ok(self)
    }

    /// The id of the current key.
    #[must_use]
    pub fn current_id(&self) -> &str {
        &self.current.id
    }

    /// The ids of all keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|key| key.id.as_str())
    }

    /// The current key itself: for a part of your own. Don't log or store it.
    #[must_use]
    pub fn expose_current(&self) -> &[u8] {
        &self.current.bytes
    }

    /// The key with this id, if it is there.
    #[must_use]
    pub fn expose(&self, id: &str) -> Option<&[u8]> {
        self.keys().find(|key| key.id == id).map(|key| key.bytes.as_slice())
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKeys").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

/// A key does not fit into [`SecretKeys`].
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretKeysError {
    /// The id is empty, too long, or has other characters.
    #[error("the id of a secret key must have 1 to 8 ASCII letters, digits, `-`, `_` or `.`")]
    Id,
    /// The key is too short or too long.
    #[error("a secret key must have 16 to 1024 bytes: make one of 32 random bytes")]
    Length,
    /// Another key has this id.
    #[error("two secret keys have the same id: give each an id of its own")]
    Repeated,
}

impl fmt::Debug for SecretKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_and_the_first_one_is_current() {
        let keys = SecretKeys::new("b", [2; 16]).unwrap().with_older("a", [1; 16]).unwrap();
        assert_eq!((keys.current_id(), keys.expose_current()), ("b", &[2; 16][..]));
        assert_eq!(keys.expose("a"), Some(&[1; 16][..]));
        assert_eq!(keys.expose("c"), None);
    }

    #[test]
    fn weak_keys_bad_ids_and_repeated_ids_are_errors() {
        for id in ["", "ninechars", "a b", "ä", "a$", "a,b"] {
            assert_eq!(SecretKeys::new(id, [1; 32]).err(), Some(SecretKeysError::Id), "{id}");
        }
        for length in [0, 15, 1025] {
            assert_eq!(SecretKeys::new("a", vec![1; length]).err(), Some(SecretKeysError::Length));
        }
        let keys = SecretKeys::new("a", [1; 16]).unwrap();
        assert_eq!(keys.clone().with_older("a", [2; 16]).err(), Some(SecretKeysError::Repeated));
        assert_eq!(keys.with_older("b", [2; 1]).err(), Some(SecretKeysError::Length));
    }

    #[test]
    fn random_keys_differ_and_are_as_others() {
        let [one, other] = [(); 2].map(|()| SecretKeys::random().unwrap());
        assert_ne!(one.expose_current(), other.expose_current());
        assert_eq!((one.current_id(), one.expose_current().len()), ("random", 32));
        let again = SecretKeys::new(one.current_id(), one.expose_current()).unwrap();
        assert_eq!(again.expose_current(), one.expose_current());
    }

    #[test]
    fn the_keys_never_show() {
        let keys = SecretKeys::new("a", *b"0123456789abcdef").unwrap();
        assert_eq!(format!("{keys:?}"), r#"SecretKeys(["a"])"#);
    }
}
