//! Registered clients.

use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::columns::get;
use super::db::Db;
use super::failure::Failure;
use super::store::SqliteStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::registry::ClientRegistry;
use crate::protocol::client::builder::ClientBuilder;
use crate::protocol::client::error::ClientError;
use crate::protocol::client::listed::RegisteredClient;
use crate::protocol::client::registered::{Client, ClientId};
use crate::protocol::client::sunset::end::Sunset;
use crate::protocol::secret::secrets::SecretDigest;

const PUT: &str = "INSERT INTO clients (id, registration) VALUES (?1, ?2)
    ON CONFLICT (id) DO UPDATE SET registration = excluded.registration";
const DROP_ORIGINS: &str = "DELETE FROM client_origins WHERE client = ?1";
const PUT_ORIGIN: &str = "INSERT INTO client_origins (origin, client) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM clients WHERE id = ?1";
const ENABLE: &str = "UPDATE clients SET is_enabled = ?2 WHERE id = ?1";
const FIND: &str = "SELECT id, registration FROM clients WHERE id = ?1";
const FIND_ENABLED: &str = "SELECT id, registration FROM clients WHERE id = ?1 AND is_enabled";
const IDS: &str = "SELECT id FROM clients WHERE id > ?1 ORDER BY id LIMIT ?2";
const LIST: &str = "SELECT id, registration, is_enabled FROM clients WHERE id > ?1 ORDER BY id LIMIT ?2";
const ALLOWS_ORIGIN: &str = "SELECT 1 FROM client_origins JOIN clients ON clients.id = client_origins.client
    WHERE origin = ?1 AND is_enabled LIMIT 1";

pub(super) const STATEMENTS: [&str; 10] =
    [PUT, DROP_ORIGINS, PUT_ORIGIN, REMOVE, ENABLE, FIND, FIND_ENABLED, IDS, LIST, ALLOWS_ORIGIN];

/// The client of a row that begins with its id and its registration.
fn client(row: &Row<'_>) -> Result<Client, Failure> {
    let client = Client::from_text(&get::<String>(row, 1)?)?;
    if client.id().as_str() == get::<String>(row, 0)? { Ok(client) } else { Err(Failure::Row("a client")) }
}

fn put(db: &Db, client: &Client) -> Result<(), Failure> {
    let id = client.id().as_str();
    db.execute(PUT, params![id, client.to_text()])?;
    db.execute(DROP_ORIGINS, [id])?;
    for origin in client.origins() {
        db.execute(PUT_ORIGIN, [origin, id])?;
    }
    Ok(())
}

/// The registry of clients: what is put and changed here holds from the next request on.
impl SqliteStore {
    /// Registers a client, or replaces the one with its id. Instants are rounded down to milliseconds. A client that
    /// was [disabled](Self::set_client_enabled) stays so, also if this version cannot read its registration: a program
    /// that registers its clients at each start enables none. Everything else is replaced, the plan of its end, too: where dates are
    /// moved while the server runs, register a client once, and change it from then on.
    ///
    /// # Errors
    /// As any operation.
    pub async fn put_client(&self, client: &Client) -> Result<(), OperationError> {
        let client = client.clone();
        Ok(self.write(move |db| put(db, &client)).await?)
    }

    /// Changes a client in one step, and answers whether there is one with this id: takes a grant or a scope away, or
    /// sets another lifetime. It runs on the thread that writes, while others wait, so do nothing else in it.
    ///
    /// ```no_run
    /// # async fn change(store: tower_password_grant::sqlite::SqliteStore) -> Result<(), Box<dyn std::error::Error>> {
    /// store.change_client("cli", |cli| cli.remove_scope("write")).await?;
    ///
    /// // What it takes from outside must be its own: `move`, and a `String`.
    /// let scope = String::from("reports");
    /// store.change_client("cli", move |cli| cli.add_scope(&scope)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As any operation; also when the changed client [cannot be built](crate::client::ClientError), or is another one. Nothing
    /// is changed then.
    pub async fn change_client<F>(&self, id: &str, change: F) -> Result<bool, OperationError>
    where
        F: FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
    {
        let id = id.to_owned();
        let replace = move |db: &Db| {
            let Some(before) = db.row(FIND, [&id], client)? else { return Ok(false) };
            let client = change(before.to_builder()).build()?;
            if client.id().as_str() != id {
                return Err(Failure::Value("a client under the id of another"));
            }
            put(db, &client)?;
            Ok(true)
        };
        Ok(self.write(replace).await?)
    }

    /// Changes the plan of a client's end in one step, and answers whether there is a client with this id that has one.
    ///
    /// ```no_run
    /// # async fn pause(store: tower_password_grant::sqlite::SqliteStore) -> Result<(), Box<dyn std::error::Error>> {
    /// const MONTH: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);
    /// store.change_sunset("app", |plan| plan.move_to(plan.end() + MONTH)).await?;
    /// store.change_sunset("app", |plan| Ok(plan.without_brownouts())).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`change_client`](Self::change_client), and with what `change` says is wrong.
    pub async fn change_sunset<F>(&self, id: &str, change: F) -> Result<bool, OperationError>
    where
        F: FnOnce(Sunset) -> Result<Sunset, ClientError> + Send + 'static,
    {
        let id = id.to_owned();
        let replace = move |db: &Db| {
            let Some(before) = db.row(FIND, [&id], client)? else { return Ok(false) };
            let Some(plan) = before.sunset().cloned() else { return Ok(false) };
            put(db, &before.to_builder().sunset(change(plan)?).build()?)?;
            Ok(true)
        };
        Ok(self.write(replace).await?)
    }

    /// Gives a client another secret, and answers whether there is one with this id. The secret before works beside it
    /// until `old_until`; see [`ClientBuilder::rotate_secret`].
    ///
    /// # Errors
    /// As [`change_client`](Self::change_client): a public client has no secret.
    pub async fn rotate_client_secret(
        &self,
        id: &str,
        secret: &SecretDigest,
        old_until: SystemTime,
    ) -> Result<bool, OperationError> {
        let secret = secret.clone();
        self.change_client(id, move |client| client.rotate_secret(&secret, old_until)).await
    }

    /// Disables a client, or enables it again, and answers whether there is one with this id, also if this version cannot
    /// read its registration. A disabled one keeps its
    /// registration and is as if it were not registered: no request of its own is served, so that it gets no token,
    /// refreshes and introspects none, and its pages are of a foreign origin. Its refresh tokens are worth something
    /// again when it is enabled; its access tokens live on until they expire, as resource servers do not ask for the
    /// client.
    ///
    /// # Errors
    /// As any operation.
    pub async fn set_client_enabled(&self, id: &str, is_enabled: bool) -> Result<bool, OperationError> {
        let id = id.to_owned();
        Ok(self.write(move |db| Ok(db.execute(ENABLE, params![id, is_enabled])? > 0)).await?)
    }

    /// Up to `most` clients, enabled or not, in the order of their ids, that come after `after`; from the first on if
    /// it is empty. One registration that this version cannot read fails the whole page:
    /// [`client_ids`](Self::client_ids) lists it nevertheless.
    ///
    /// # Errors
    /// As any operation; also when a registration cannot be read.
    pub async fn clients(&self, after: &str, most: usize) -> Result<Vec<RegisteredClient>, OperationError> {
        let (after, most) = (after.to_owned(), i64::try_from(most).unwrap_or(i64::MAX));
        let list = move |db: &Db| {
            db.rows(LIST, params![after, most], |row| Ok(RegisteredClient::new(client(row)?, get(row, 2)?)))
        };
        Ok(self.read(list).await?)
    }

    /// Removes a client, and answers whether there was one. Its refresh tokens are refused from then on, as every
    /// refresh needs its client; access tokens live on until they expire.
    ///
    /// # Errors
    /// As any operation.
    pub async fn remove_client(&self, id: &str) -> Result<bool, OperationError> {
        let id = id.to_owned();
        Ok(self.write(move |db| Ok(db.execute(REMOVE, [id])? > 0)).await?)
    }

    /// The ids of up to `most` clients, in their order, that come after `after`; from the first on if it is empty.
    /// Reads no registration, so take it to find and remove one that this version cannot read, and for a list of names
    /// only. To see what the clients may do, take [`clients`](Self::clients).
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
        self.look_up(move |db| db.row(FIND_ENABLED, [&id], client)).await
    }

    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        let origin = origin.to_owned();
        self.look_up(move |db| Ok(db.row(ALLOWS_ORIGIN, [&origin], |_| Ok(()))?.is_some())).await
    }
}
