use std::{fmt, io};

use crate::protocol::explained::explained;

/// Why there is no filter. No message repeats a line of a list.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LeakedPasswordsError {
    /// The list or the file could not be read or written.
    #[error("the list or filter could not be read or written")]
    Io(#[from] io::Error),
    /// A line of a list of hashes is none.
    #[error("line {0} of the list is no SHA-1 hash: expected 40 hexadecimal digits, alone or before `:` and a number")]
    Line(u64),
    /// The list has no entry, so it is likely the wrong one.
    #[error("the list is empty: give one with a password or hash in each line")]
    Empty,
    /// The list has more than 2^31 entries.
    #[error("the list has more than 2,147,483,648 entries: keep those that were seen most often")]
    TooMany,
    /// The filter could not be made out of this list.
    #[error("no filter could be made out of this list: its hashes are not those of passwords")]
    Construction,
    /// The file does not begin as a filter does.
    #[error("the file is no filter of leaked passwords: make one with `LeakedPasswords::write_to`")]
    NotAFilter,
    /// The file is of another version of the format.
    #[error("the filter has version {0} of the format, this library reads version 1: make it anew from its list")]
    Version(u32),
    /// The file is shorter or longer than its header says.
    #[error("the filter is cut off, or something follows it: copy it again")]
    Length,
    /// The file contradicts itself.
    #[error("the filter is damaged: copy it again, or make it anew from its list")]
    Damaged,
}

impl fmt::Debug for LeakedPasswordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
