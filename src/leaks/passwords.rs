use std::fmt;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use async_trait::async_trait;
use xorf::{BinaryFuse16, Filter as _};

use super::error::LeakedPasswordsError as Error;
use super::{file, list};
use crate::boundary::backend::BackendError;
use crate::boundary::shield::{Finding, Shield};
use crate::protocol::secret::secrets::Password;
use crate::protocol::user::subject::Subject;

/// The most passwords of a filter: beyond it the filter's own numbers, of 32 bits, come to their end.
const MOST: usize = 1 << 31;

/// Passwords that are known from leaks: a [`Shield`] over a binary fuse filter in memory. See the
/// [module](crate::leaks) for its memory and its mistakes.
///
/// A look-up takes about a microsecond and no lock. It is of use wherever passwords are set, too:
/// [`contains`](Self::contains) before a new password is hashed spares its user the way back.
///
/// ```
/// use tower_password_grant::Password;
/// use tower_password_grant::leaks::LeakedPasswords;
///
/// let leaked = LeakedPasswords::from_passwords(["123456", "password", "qwerty"])?;
/// assert!(leaked.contains(&Password::new("qwerty".to_owned())));
/// assert!(!leaked.contains(&Password::new("correct horse battery staple".to_owned())));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct LeakedPasswords {
    filter: BinaryFuse16,
    /// How many passwords it was made from, without repetitions.
    count: u32,
}

impl LeakedPasswords {
    /// A filter of these passwords. Repetitions and empty ones don't count.
    ///
    /// # Errors
    /// [`Empty`](Error::Empty), [`TooMany`](Error::TooMany) or [`Construction`](Error::Construction).
    pub fn from_passwords<P: AsRef<str>>(passwords: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let keys = passwords.into_iter().filter(|password| !password.as_ref().is_empty());
        Self::from_keys(keys.map(|password| list::key_of(password.as_ref().as_bytes())).collect())
    }

    /// A filter of a list with one password in each line.
    ///
    /// Lines end with LF or CRLF; empty ones don't count. Everything else in a line is the password, with its spaces, byte
    /// by byte. Passwords arrive as UTF-8, so lines in another encoding do no harm, and are never found unless they are
    /// ASCII.
    ///
    /// # Errors
    /// As [`from_passwords`](Self::from_passwords), and [`Io`](Error::Io) if the list cannot be read.
    pub fn from_list(list: impl BufRead) -> Result<Self, Error> {
        Self::from_keys(list::read_passwords(list)?)
    }

    /// A filter of a list with one SHA-1 hash in each line: 40 hexadecimal digits, alone or followed by `:` and how often
    /// the password was seen, in any order. Lines end with LF or CRLF; empty ones don't count.
    ///
    /// # Errors
    /// As [`from_list`](Self::from_list), and [`Line`](Error::Line) for any other line: nothing is skipped.
    pub fn from_sha1_list(list: impl BufRead) -> Result<Self, Error> {
        Self::from_keys(list::read_hashes(list)?)
    }

    fn from_keys(mut keys: Vec<u64>) -> Result<Self, Error> {
        // A filter cannot be made out of repeated keys.
        keys.sort_unstable();
        keys.dedup();
        keys.shrink_to_fit();
        if keys.is_empty() {
            return Err(Error::Empty);
        }
        let count = u32::try_from(keys.len()).ok().filter(|_| keys.len() <= MOST).ok_or(Error::TooMany)?;
        // Hashes that were chosen to collide overflow the constructor's counters: a panic where overflow is checked.
        let filter = catch_unwind(AssertUnwindSafe(|| BinaryFuse16::try_from(&keys)));
        let filter = filter.ok().and_then(Result::ok).ok_or(Error::Construction)?;
        Ok(Self { filter, count })
    }

    /// Opens a file that [`write_to`](Self::write_to) wrote, and reads all of it into memory.
    ///
    /// # Errors
    /// [`Io`](Error::Io) if it cannot be read; [`NotAFilter`](Error::NotAFilter), [`Version`](Error::Version),
    /// [`Length`](Error::Length) or [`Damaged`](Error::Damaged) if it is not what was written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::read_from(File::open(path)?)
    }

    /// Reads a filter from `source`, to its end. Memory is taken as the bytes arrive, whatever they announce.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read_from(source: impl Read) -> Result<Self, Error> {
        let (filter, count) = file::read(source)?;
        Ok(Self { filter, count })
    }

    /// Writes the filter, in few large pieces. To replace the file of a running server write to another name, then rename:
    /// half a file is refused by [`open`](Self::open).
    ///
    /// # Errors
    /// [`Io`](Error::Io).
    pub fn write_to(&self, sink: impl Write) -> Result<(), Error> {
        file::write(&self.filter, self.count, sink)
    }

    /// Whether the password is known from a leak, or is the one in 65,536 that is found by mistake.
    #[must_use]
    pub fn contains(&self, password: &Password) -> bool {
        self.filter.contains(&list::key_of(password.expose().as_bytes()))
    }

    /// How many passwords the filter was made from, without repetitions.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }
}

#[async_trait]
impl Shield for LeakedPasswords {
    async fn inspect(&self, password: &Password, _: &Subject) -> Result<Finding, BackendError> {
        Ok(if self.contains(password) { Finding::Leaked } else { Finding::Clear })
    }
}

impl fmt::Debug for LeakedPasswords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakedPasswords").field("count", &self.count).finish_non_exhaustive()
    }
}
