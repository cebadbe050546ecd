//! Registered clients.

use async_trait::async_trait;
use rusqlite::params;

use super::columns::get;
use super::db::Db;
use super::registration::{read, write};
use super::store::SqliteStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::registry::ClientRegistry;
use crate::protocol::client::{Client, ClientId};

const PUT: &str = "INSERT INTO clients (id, registration) VALUES (?1, ?2)
    ON CONFLICT (id) DO UPDATE SET registration = excluded.registration";
const DROP_ORIGINS: &str = "DELETE FROM client_origins WHERE client = ?1";
const PUT_ORIGIN: &str = "INSERT INTO client_origins (origin, client) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM clients WHERE id = ?1";
const FIND: &str = "SELECT registration FROM clients WHERE id = ?1";
const IDS: &str = "SELECT id FROM clients WHERE id > ?1 ORDER BY id LIMIT ?2";
const ALLOWS_ORIGIN: &str = "SELECT 1 FROM client_origins WHERE origin = ?1 LIMIT 1";

pub(super) const STATEMENTS: [&str; 7] = [PUT, DROP_ORIGINS, PUT_ORIGIN, REMOVE, FIND, IDS, ALLOWS_ORIGIN];

/// The registry of clients: what is put here holds from the next request on.
impl SqliteStore {
    /// Registers a client, or replaces the one with its id. Instants are rounded down to milliseconds.
    ///
    /// # Errors
    /// As any operation.
    pub async fn put_client(&self, client: &Client) -> Result<(), OperationError> {
        let registration = write(client).map_err(|failure| failure.into_backend())?;
        let client = client.clone();
        let put = move |db: &Db| {
            let id = client.id().as_str();
            db.execute(PUT, params![id, registration])?;
            db.execute(DROP_ORIGINS, [id])?;
            for origin in client.origins() {
                db.execute(PUT_ORIGIN, [origin, id])?;
            }
            Ok(())
        };
        Ok(self.write(put).await?)
    }

    /// Removes a client, and answers whether there was one. Its refresh tokens are refused from then on, as every refresh
    /// needs its client; access tokens live on until they expire.
    ///
    /// # Errors
    /// As any operation.
    pub async fn remove_client(&self, id: &str) -> Result<bool, OperationError> {
        let id = id.to_owned();
        Ok(self.write(move |db| Ok(db.execute(REMOVE, [id])? > 0)).await?)
    }

    /// The ids of up to `most` clients, in their order, that come after `after`; from the first on if it is empty.
    ///
    /// # Errors
    /// As any operation.
    pub async fn client_ids(&self, after: &str, most: usize) -> Result<Vec<ClientId>, OperationError> {
        let (after, most) = (after.to_owned(), i64::try_from(most).unwrap_or(i64::MAX));
        let ids = move |db: &Db| db.rows(IDS, params![after, most], |row| super::columns::client_id(row, 0));
        Ok(self.read(ids).await?)
    }
}

#[async_trait]
impl ClientRegistry for SqliteStore {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        let id = client_id.to_owned();
        self.read(move |db| {
            let found = db.row(FIND, [&id], |row| get::<String>(row, 0))?;
            found.map(|registration| read(&id, &registration)).transpose()
        })
        .await
    }

    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        let origin = origin.to_owned();
        self.read(move |db| Ok(db.row(ALLOWS_ORIGIN, [&origin], |_| Ok(()))?.is_some())).await
    }
}
