//! Values that are packed one behind the other, each in one way only, so that no two texts mean the same.

use zeroize::Zeroizing;

use crate::protocol::versioned::{self, Unreadable, take};

/// The most bytes of one value. Sealed and in base64url it fits into 4 KiB.
pub(super) const LONGEST: usize = 3000;

/// Room for most values from the start. What grows leaves a copy behind: a value with a code in it is short.
const ROOM: usize = 512;

/// A value does not fit into what clients are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// A value on its way into bytes, which begin with their version. They are overwritten when they are dropped.
pub(super) struct Packed {
    bytes: Zeroizing<Vec<u8>>,
    is_too_long: bool,
}

impl Packed {
    pub(super) fn new(version: u8) -> Self {
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.push(version);
        Self { bytes: Zeroizing::new(bytes), is_too_long: false }
    }

    /// Bytes whose number the reader knows.
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.is_too_long |= bytes.len() > LONGEST.saturating_sub(self.bytes.len());
        if !self.is_too_long {
            self.bytes.extend_from_slice(bytes);
        }
        self
    }

    /// A text behind its length.
    pub(super) fn text(mut self, text: &str) -> Self {
        match u16::try_from(text.len()) {
            Ok(length) => self.bytes(&length.to_be_bytes()).bytes(text.as_bytes()),
            Err(_) => {
                self.is_too_long = true;
                self
            }
        }
    }

    /// A byte that says whether there is a value, and the value.
    pub(super) fn maybe<T>(self, value: Option<T>, pack: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => pack(self.bytes(&[1]), value),
            None => self.bytes(&[0]),
        }
    }

    pub(super) fn finish(self) -> Result<Zeroizing<Vec<u8>>, TooLong> {
        if self.is_too_long { Err(TooLong) } else { Ok(self.bytes) }
    }
}

/// Reads what was packed.
pub(super) struct Unpacked<'a>(&'a [u8]);

impl<'a> Unpacked<'a> {
    pub(super) fn new(bytes: &'a [u8], version: u8) -> Result<Self, Unreadable> {
        if bytes.len() > LONGEST { Err(Unreadable::Damaged) } else { versioned::open(bytes, version).map(Self) }
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        take(&mut self.0)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Unreadable> {
        let length = usize::from(u16::from_be_bytes(self.bytes()?));
        let (text, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Unreadable::Damaged)
    }

    pub(super) fn maybe<T>(
        &mut self,
        unpack: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        match self.bytes()? {
            [0] => Ok(None),
            [1] => unpack(self).map(Some),
            _ => Err(Unreadable::Damaged),
        }
    }

    pub(super) fn end(self) -> Result<(), Unreadable> {
        versioned::end(self.0)
    }
}
