//! A folder of its own for a unit test, which goes with it.

use std::path::PathBuf;
use std::time::Duration;

use crate::sqlite::store::SqliteStore;

pub(in crate::sqlite) struct Folder(PathBuf);

impl Folder {
    pub(in crate::sqlite) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sqlite-unit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(in crate::sqlite) fn file(&self) -> PathBuf {
        self.0.join("auth.db")
    }

    pub(in crate::sqlite) fn store(&self) -> SqliteStore {
        // Instants of the tests are long over, and nothing is to be removed by itself.
        SqliteStore::builder(self.file()).retention(Duration::MAX).open().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
