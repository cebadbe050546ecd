//! Work that takes long, on a thread of its own: nothing waits for it.

use std::thread;

use tokio::sync::oneshot;

use super::db::Db;
use super::failure::Failure;
use super::stats::add;
use super::store::SqliteStore;
use crate::boundary::backend::BackendError;

/// Does some work on a thread of this name, and waits for it. Dropped, it goes on.
pub(super) async fn on_own_thread<T, W>(name: &str, work: W) -> Result<T, BackendError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, BackendError> + Send + 'static,
{
    let (done, answer) = oneshot::channel();
    let work = move || {
        // Nobody may wait any more.
        let _ = done.send(work());
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(BackendError::unavailable)?;
    answer.await.map_err(|_| BackendError::unavailable(format!("the thread {name} of the SQLite store ended")))?
}

impl SqliteStore {
    /// Has something read that takes long, over a connection and on a thread of its own, of which there is one at a
    /// time. Dropped, it goes on.
    pub(super) async fn read_apart<T, W>(&self, name: &str, work: W) -> Result<T, BackendError>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    {
        // A store that is closed, or has lost its file, reads nothing.
        self.read(|_| Ok(())).await?;
        let turn = self.apart().acquire_owned().await.map_err(BackendError::unavailable)?;
        let ((files, opening), counters) = (self.place(), self.counters());
        on_own_thread(name, move || {
            let _turn = turn;
            let db = opening.reader().map_err(|error| BackendError::unavailable(error.at(&opening.path)))?;
            let answer = work(&db);
            add(&counters.reads, 1);
            add(&counters.read_steps, db.take_steps());
            // What was read is the file that has the name.
            files.check().map_err(Failure::into_backend)?;
            answer.map_err(Failure::into_backend)
        })
        .await
    }
}
