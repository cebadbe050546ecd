//! Values that are overwritten when they are dropped, in one go: `Zeroizing` overwrites a string and an array byte by byte.

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
            self.as_mut_str().zeroize();
        }
    }
}

impl<const N: usize> Wipe for [u8; N] {
    fn wipe(&mut self) {
        self.as_mut_slice().zeroize();
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
    fn nothing_is_left_of_what_was_wiped() {
        let (mut text, mut bytes) = ("päss".to_owned(), [7; 33]);
        text.wipe();
        bytes.wipe();
        assert_eq!((text.as_bytes(), bytes), (&[0; 5][..], [0; 33]));
    }
}
