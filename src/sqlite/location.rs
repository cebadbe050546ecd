//! Where the database lies: whether the name can be that of a database, and whether what lies there is still what was
//! opened.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf, absolute};
use std::sync::OnceLock;

use super::error::SqliteError;
use super::failure::Failure;
use crate::observe::telemetry;

/// What SQLite keeps beside the file while it is open: the log, which holds the newest commits, and the index of the
/// log.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// What a copy of the file may have brought with it.
const LEFT_OVER: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The absolute path of the file, so that the working directory may change.
pub(super) fn path_of(name: &Path) -> Result<PathBuf, SqliteError> {
    // SQLite itself, and other libraries, take these for something else than a file.
    let text = name.to_string_lossy().to_ascii_lowercase();
    if text.is_empty() || text.contains("://") || [":", "file:", "sqlite:"].iter().any(|start| text.starts_with(start))
    {
        return Err(SqliteError::NotAFileName(name.to_string_lossy().into_owned()));
    }
    absolute(name).map_err(SqliteError::File)
}

/// Makes the file if there is none, for its owner only. Changes nothing of one that is there, but takes rights away
/// from what lies beside it that the file itself does not give.
pub(super) fn prepare(path: &Path) -> Result<(), SqliteError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            OpenOptions::new().read(true).write(true).open(path).map_err(|error| unusable(path, error))?;
            LEFT_OVER.iter().try_for_each(|end| keep_private(&found, &beside(path, end)))
        }
        // Or a link that leads nowhere.
        Ok(_) => Err(SqliteError::NotARegularFile(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
            Err(SqliteError::NotARegularFile(path.to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => match path.parent() {
            Some(folder) if !folder.is_dir() => Err(SqliteError::NoFolder(folder.to_owned())),
            _ => create(path).map(drop).or_else(|error| match error.kind() {
                // Another process was faster.
                ErrorKind::AlreadyExists => Ok(()),
                _ => Err(unusable(path, error)),
            }),
        },
        Err(error) => Err(unusable(path, error)),
    }
}

/// Makes a new file that only its owner may read and write.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Why the file cannot be used.
pub(super) fn unusable(path: &Path, error: io::Error) -> SqliteError {
    let is_forbidden = matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    if is_forbidden { SqliteError::not_writable(path, error) } else { SqliteError::File(error) }
}

/// A file beside this one.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// SQLite gives a file that it makes the rights of the database. One that is there already keeps its own, so they are
/// cut.
#[cfg(unix)]
fn keep_private(file: &Metadata, beside: &Path) -> Result<(), SqliteError> {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(found) = fs::symlink_metadata(beside) else { return Ok(()) };
    let (own, theirs) = (found.permissions().mode(), file.permissions().mode());
    if !found.is_file() || own & !theirs & 0o777 == 0 {
        return Ok(());
    }
    let cut = fs::Permissions::from_mode(own & theirs & 0o777);
    fs::set_permissions(beside, cut).map_err(|error| unusable(beside, error))
}

#[cfg(not(unix))]
fn keep_private(_file: &Metadata, _beside: &Path) -> Result<(), SqliteError> {
    Ok(())
}

/// What tells a file from another one that has its name later. An open file keeps its number, so no other gets it.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Elsewhere an open file can be neither removed nor replaced.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(drop)
}

/// The files that were opened: that of the database, and those beside it.
#[derive(Debug)]
pub(super) struct Files {
    opened: Vec<(PathBuf, Identity)>,
    /// Why nothing is done any more.
    lost: OnceLock<String>,
}

impl Files {
    /// The file that has this name now.
    pub(super) fn named(path: &Path) -> Result<Self, SqliteError> {
        let found = identity(path).map_err(|error| unusable(path, error))?;
        Ok(Self { opened: vec![(path.to_owned(), found)], lost: OnceLock::new() })
    }

    /// Adds those that SQLite made beside it, when it has made them. They lie beside the file itself, not beside a link
    /// to it.
    pub(super) fn with_those_beside(mut self) -> Result<Self, SqliteError> {
        self.look().map_err(|_| SqliteError::Replaced)?;
        let Some((path, _)) = self.opened.first() else { return Ok(self) };
        let real = fs::canonicalize(path).map_err(SqliteError::File)?;
        for end in BESIDE {
            let path = beside(&real, end);
            let found = identity(&path).map_err(SqliteError::File)?;
            self.opened.push((path, found));
        }
        Ok(self)
    }

    /// Whether every name still leads to what was opened: what is written elsewhere is lost at the next start.
    pub(super) fn look(&self) -> Result<(), Failure> {
        self.opened.iter().try_for_each(|(path, opened)| match identity(path) {
            Ok(found) if found == *opened => Ok(()),
            Ok(_) => Err(Failure::Moved(path.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::Moved(path.clone())),
            Err(error) => Err(Failure::Unseen(error)),
        })
    }

    /// Looks, and if one was removed or replaced, says so once and remembers it for good: it may come back, but by then
    /// others may have written to what lies beside it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.trusted()?;
        let seen = self.look();
        if let Err(failure @ Failure::Moved(_)) = &seen {
            let why = failure.to_string();
            if self.lost.set(why.clone()).is_ok() {
                telemetry::background_failed("keeping the file", &Failure::Gone(why).into_backend());
            }
        }
        seen
    }

    /// Whether they were there whenever it was checked.
    pub(super) fn trusted(&self) -> Result<(), Failure> {
        self.lost.get().map_or(Ok(()), |why| Err(Failure::Gone(why.clone())))
    }
}
