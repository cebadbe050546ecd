//! A copy of the database while it is in use.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::apart::on_own_thread;
use super::failure::Failure;
use super::location::{self, Files};
use super::open::Opening;
use super::store::SqliteStore;
use crate::boundary::backend::{BackendError, OperationError};

const COPY: &str = "VACUUM INTO ?1";

impl SqliteStore {
    /// Writes a whole copy of the database, as it is at this moment, into a new file that only its owner may read,
    /// while requests are served. The copy is in its place, and on the disk, when this is answered: until then its name
    /// ends in `.part`. To restore it, first remove the `-wal` and `-shm` of the old file, or SQLite plays that log
    /// into the copy; see [the module](super) for the steps, and for what a restored backup brings back. Runs on a
    /// thread of its own, and takes as long as reading and writing the whole file; until it is done the log cannot be
    /// emptied and grows. Dropped, it goes on.
    ///
    /// # Errors
    /// As any operation; also when there is a file of this name or of that with `.part`, or it cannot be written.
    pub async fn backup_to(&self, path: impl AsRef<Path>) -> Result<(), OperationError> {
        let path = location::path_of(path.as_ref()).map_err(BackendError::fault)?;
        let (files, opening) = self.place();
        Ok(on_own_thread("sqlite-backup", move || copy(&opening, &files, &path)).await?)
    }
}

fn copy(opening: &Opening, files: &Arc<Files>, path: &Path) -> Result<(), BackendError> {
    let part = location::beside(path, ".part");
    let refused = |path: &Path, error| match location::unusable(path, error) {
        super::SqliteError::File(error) if error.kind() == ErrorKind::AlreadyExists => {
            let path = path.display();
            BackendError::fault(format!("there is a file `{path}` already: name a new one, or remove it"))
        }
        error => BackendError::unavailable(error),
    };
    files.trusted().map_err(Failure::into_backend)?;
    if path.exists() {
        return Err(refused(path, ErrorKind::AlreadyExists.into()));
    }
    // SQLite would make it for everybody to read, and takes an empty one.
    let made = location::create(&part).map_err(|error| refused(&part, error))?;
    let copied =
        fill(opening, files, &part, &made).and_then(|()| name(&part, path).map_err(|error| refused(path, error)));
    if copied.is_err() {
        let _ = fs::remove_file(&part);
        return copied;
    }
    // The name is on the disk when its folder is. Not every system can open one.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        folder.sync_all()?;
    }
    Ok(())
}

/// Gives the copy its name, and takes that of no other file, even if one came in between.
fn name(part: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(part, path) {
        Ok(()) => fs::remove_file(part),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // Not every file system has links. A name that was free becomes this file's for a moment, without content.
        Err(_) => {
            location::create(path)?;
            fs::rename(part, path).inspect_err(|_| drop(fs::remove_file(path)))
        }
    }
}

fn fill(opening: &Opening, files: &Files, part: &Path, made: &File) -> Result<(), BackendError> {
    let name = part.to_str().ok_or_else(|| BackendError::fault("the name of the backup is not UTF-8"))?;
    let db = opening.reader().map_err(|error| BackendError::unavailable(error.at(&opening.path)))?;
    db.execute(COPY, [name]).map_err(Failure::into_backend)?;
    // What was copied is the file that has the name.
    files.check().map_err(Failure::into_backend)?;
    Ok(made.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::tests::folder::Folder;

    #[test]
    fn the_copy_takes_the_name_of_no_file_that_came_in_between() {
        let folder = Folder::new("backup");
        let (part, path) = (folder.file().with_extension("part"), folder.file().with_extension("copy"));
        fs::write(&part, "copy").unwrap();
        fs::write(&path, "somebody else's").unwrap();
        assert_eq!(name(&part, &path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        fs::remove_file(&path).unwrap();
        name(&part, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"copy");
        assert!(!part.exists());
    }
}
