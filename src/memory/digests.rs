//! Maps by keys that are digests of random values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose keys are as random as any hash of them: nobody chooses which of them lie together.
pub(super) type DigestMap<K, V> = HashMap<K, V, BuildHasherDefault<LastBytes>>;

/// The last 8 bytes of a key in place of a hash.
#[derive(Default)]
pub(super) struct LastBytes(u64);

impl Hasher for LastBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.last_chunk().copied().map_or(self.0, u64::from_ne_bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_whatever_they_hash_to() {
        let mut map = DigestMap::default();
        for number in 0..1000_u128 {
            // Many with the same last bytes, and many that differ in these alone.
            let key = (number % 10) << 64 | (number / 10);
            assert_eq!(map.insert(key.to_be_bytes(), number), None);
        }
        for number in 0..1000_u128 {
            let key = (number % 10) << 64 | (number / 10);
            assert_eq!(map.get(&key.to_be_bytes()), Some(&number));
        }
    }
}
