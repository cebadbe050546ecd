//! Values that are overwritten when they are dropped, in pieces of sixteen bytes: `Zeroizing` overwrites a string and an array byte by
//! byte.

use std::mem;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize as _;

/// What can be overwritten.
pub(crate) trait Wipe {
    /// Overwrites what it holds.
    fn wipe(&mut self);
}

impl Wipe for String {
    /// Up to its length: what was cut off before stays.
    fn wipe(&mut self) {
        // Those that were taken out left nothing behind.
        if !self.is_empty() {
            wipe(&mut mem::take(self).into_bytes());
        }
    }
}

impl Wipe for Vec<u8> {
    /// Up to its length.
    fn wipe(&mut self) {
        wipe(self);
    }
}

impl<const N: usize> Wipe for [u8; N] {
    fn wipe(&mut self) {
        wipe(self);
    }
}

/// The size of a piece, which one instruction writes.
pub(crate) const PIECE: usize = 16;

/// Overwrites bytes in their place. Secrets are short: a call of `memset` takes longer than a few stores.
#[inline]
fn wipe(bytes: &mut [u8]) {
    for piece in bytes.as_chunks_mut::<PIECE>().0 {
        piece.as_mut_slice().zeroize();
    }
    // The last piece may lie over the one before.
    match bytes.last_chunk_mut::<PIECE>() {
        Some(last) => last.as_mut_slice().zeroize(),
        None => bytes.iter_mut().zeroize(),
    }
}

/// A value that is overwritten when it is dropped.
#[derive(Default)]
pub(crate) struct Wiped<T: Wipe>(T);

impl<T: Wipe> Wiped<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T: Wipe> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Wipe> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_what_was_wiped_however_long_it_is() {
        for length in 0..100 {
            let mut bytes = vec![7; length];
            wipe(&mut bytes);
            assert_eq!(bytes, vec![0; length]);
        }
        let (mut text, mut bytes) = ("päss".to_owned(), [7; 33]);
        text.wipe();
        bytes.wipe();
        assert_eq!((text.as_str(), bytes), ("", [0; 33]));
    }
}
