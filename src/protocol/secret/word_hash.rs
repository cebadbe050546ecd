//! SipHash-1-3, fed with whole words: the hash of the standard library's maps takes any pieces, and twice the time for short ones.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A key of 128 bits. It builds hashers, too.
#[derive(Clone, Copy)]
pub(crate) struct Key([u64; 2]);

impl Key {
    /// One that only this process has.
    pub(crate) fn random() -> Self {
        let random = RandomState::new();
        Self([0_u64, 1].map(|part| random.hash_one(part)))
    }
}

impl BuildHasher for Key {
    type Hasher = WordHash;

    #[inline]
    fn build_hasher(&self) -> WordHash {
        WordHash::under(*self)
    }
}

/// A hash on its way.
pub(crate) struct WordHash {
    state: [u64; 4],
    bytes: u64,
}

impl WordHash {
    #[inline]
    pub(crate) fn under(Key([low, high]): Key) -> Self {
        // "somepseudorandomlygeneratedbytes"
        let state = [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        Self { state, bytes: 0 }
    }

    #[inline]
    pub(crate) fn add(&mut self, word: u64) {
        self.bytes = self.bytes.wrapping_add(8);
        self.mix(word);
    }

    /// Adds bytes by words, the last of which holds what is left. The number of all bytes goes in at the end.
    #[inline]
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            // Both hold the bytes in the middle.
            (Some(first), Some(last)) => {
                let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
                self.mix(first | last << 32);
            }
            _ if rest.is_empty() => {}
            _ => self.mix(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))),
        }
    }

    #[inline]
    fn mix(&mut self, word: u64) {
        self.state = mixed(self.state, word);
    }
}

/// For keys of which each kind has its own number of bytes: pieces are joined, and their bytes are counted together.
impl Hasher for WordHash {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.add_bytes(bytes);
    }

    #[inline]
    fn finish(&self) -> u64 {
        let [a, b, c, d] = mixed(self.state, self.bytes << 56);
        let [a, b, c, d] = round(round(round([a, b, c ^ 0xff, d])));
        a ^ b ^ c ^ d
    }
}

#[inline]
fn mixed([a, b, c, d]: [u64; 4], word: u64) -> [u64; 4] {
    let [a, b, c, d] = round([a, b, c, d ^ word]);
    [a ^ word, b, c, d]
}

#[inline]
fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_hash_of_the_standard_library(words: Vec<u64>) {
            // With a key of zeros, as `DefaultHasher::new` has it.
            let (mut own, mut standard) = (WordHash::under(Key([0; 2])), DefaultHasher::new());
            for word in words {
                own.add(word);
                standard.write(&word.to_le_bytes());
            }
            prop_assert_eq!(own.finish(), standard.finish());
        }

        #[test]
        fn bytes_are_told_from_others_of_any_length(one: Vec<u8>, other: Vec<u8>, same in 0..20_usize) {
            let key = Key::random();
            let of = |bytes: &[u8]| {
                let mut hash = WordHash::under(key);
                hash.add_bytes(bytes);
                hash.finish()
            };
            prop_assert_eq!(of(&one) == of(&other), one == other);
            prop_assert_ne!(of(&vec![0; same]), of(&vec![0; same + 1]));
        }
    }
}
