//! What the demo's API is about: one note for all, in the file in which everything else is kept.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _};
use tokio::task::spawn_blocking;

use crate::demo::Error;

/// A table of the application's own. SQLite lets other connections use the file at the same time.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS demo_note (row INTEGER PRIMARY KEY CHECK (row = 1), text TEXT NOT NULL)";

#[derive(Clone)]
pub(crate) struct Note {
    file: Arc<Mutex<Connection>>,
}

impl Note {
    /// The note in this file, which the store has made.
    pub(crate) fn open(file: &Path) -> Result<Self, Error> {
        let connection = Connection::open(file)?;
        connection.execute_batch(TABLE)?;
        Ok(Self { file: Arc::new(Mutex::new(connection)) })
    }

    /// Nothing before the first write.
    pub(crate) async fn read(&self) -> Result<String, Error> {
        self.with(|file| file.query_row("SELECT text FROM demo_note", [], |row| row.get(0)).optional())
            .await
            .map(Option::unwrap_or_default)
    }

    pub(crate) async fn write(&self, text: String) -> Result<(), Error> {
        let replace = "INSERT INTO demo_note VALUES (1, ?1) ON CONFLICT (row) DO UPDATE SET text = ?1";
        self.with(move |file| file.execute(replace, [text])).await.map(drop)
    }

    /// The disk may take its time, so not on a thread of the runtime.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let file = Arc::clone(&self.file);
        let done = spawn_blocking(move || work(&file.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(done.await??)
    }
}
