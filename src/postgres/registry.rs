//! Registered clients.

use std::time::SystemTime;

use async_trait::async_trait;

use super::cells::Cells;
use super::connection::PostgresValue::{BigInt, Bool, Text, TextList};
use super::failure::Failure;
use super::store::PostgresStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::registry::ClientRegistry;
use crate::protocol::client::builder::ClientBuilder;
use crate::protocol::client::error::ClientError;
use crate::protocol::client::listed::RegisteredClient;
use crate::protocol::client::registered::{Client, ClientId};
use crate::protocol::client::sunset::end::Sunset;
use crate::protocol::secret::secrets::SecretDigest;

/// How often a change is made anew where another one was first each time: one of them was done at each turn.
const TURNS: u32 = 64;

/// A client with the text that it was read from.
struct Written {
    client: Client,
    text: String,
}

impl Written {
    /// Reads a row that begins with id and registration.
    fn read(cells: &mut Cells) -> Result<Self, Failure> {
        let (id, text) = (cells.text()?, cells.text()?);
        let client = Client::from_text(&text)?;
        if client.id().as_str() == id { Ok(Self { client, text }) } else { Err(Failure::Row("a client")) }
    }
}

fn origins(client: &Client) -> Vec<Option<&str>> {
    client.origins().iter().map(|origin| Some(origin.as_str())).collect()
}

/// The registry of clients: what is put and changed here holds from the next request on, at every server.
impl PostgresStore {
    /// Registers a client, or replaces the one with its id. Instants are rounded down to milliseconds. A client that
    /// was [disabled](Self::set_client_enabled) stays so, also if this version cannot read its registration: a program
    /// that registers its clients at each start enables none. Everything else is replaced, the plan of its end, too: where dates are
    /// moved while the server runs, register a client once, and change it from then on.
    ///
    /// # Errors
    /// As any operation.
    pub async fn put_client(&self, client: &Client) -> Result<(), OperationError> {
        let text = client.to_text();
        let values = [Text(Some(client.id().as_str())), Text(Some(&text)), TextList(origins(client))];
        self.is_done(&self.statements().put_client, &values).await?;
        Ok(())
    }

    /// Changes a client in one step, and answers whether there is one with this id: takes a grant or a scope away, or
    /// sets another lifetime. Where somebody else has changed it meanwhile, `change` is called once more, with what they have made
    /// of it: so nothing is lost of either, and `change` does nothing but that.
    ///
    /// ```no_run
    /// # async fn change(store: tower_password_grant::postgres::PostgresStore) -> Result<(), Box<dyn std::error::Error>> {
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
        F: Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    {
        let replace = |before: &Client| Ok(Some(change(before.to_builder()).build()?));
        Ok(self.replace_client(id, replace).await.map_err(Failure::into_backend)?)
    }

    /// Changes the plan of a client's end in one step, and answers whether there is a client with this id that has one.
    ///
    /// ```no_run
    /// # async fn pause(store: tower_password_grant::postgres::PostgresStore) -> Result<(), Box<dyn std::error::Error>> {
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
        F: Fn(Sunset) -> Result<Sunset, ClientError> + Send + Sync + 'static,
    {
        let replace = |before: &Client| {
            let Some(plan) = before.sunset().cloned() else { return Ok(None) };
            Ok(Some(before.to_builder().sunset(change(plan)?).build()?))
        };
        Ok(self.replace_client(id, replace).await.map_err(Failure::into_backend)?)
    }

    /// Puts what `change` makes of a client in its place, if it makes something, and if the client is still as it was then.
    async fn replace_client(
        &self,
        id: &str,
        change: impl Fn(&Client) -> Result<Option<Client>, Failure>,
    ) -> Result<bool, Failure> {
        let statements = self.statements();
        for _ in 0..TURNS {
            let Some(mut cells) = self.row_or_none(&statements.find_client, &[Text(Some(id))]).await? else {
                return Ok(false);
            };
            let before = Written::read(&mut cells)?;
            let Some(after) = change(&before.client)? else { return Ok(false) };
            if after.id() != before.client.id() {
                return Err(Failure::Value("a client under the id of another"));
            }
            let text = after.to_text();
            let values = [Text(Some(id)), Text(Some(&before.text)), Text(Some(&text)), TextList(origins(&after))];
            if self.count(&statements.change_client, &values).await? > 0 {
                return Ok(true);
            }
        }
        Err(Failure::Overtaken(TURNS))
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
        Ok(self.is_done(&self.statements().enable_client, &[Text(Some(id)), Bool(Some(is_enabled))]).await?)
    }

    /// Up to `most` clients, enabled or not, in the order of their ids, that come after `after`; from the first on if
    /// it is empty. One registration that this version cannot read fails the whole page:
    /// [`client_ids`](Self::client_ids) lists it nevertheless.
    ///
    /// # Errors
    /// As any operation; also when a registration cannot be read.
    pub async fn clients(&self, after: &str, most: usize) -> Result<Vec<RegisteredClient>, OperationError> {
        let read = |mut cells: Cells| {
            let Written { client, .. } = Written::read(&mut cells)?;
            Ok(RegisteredClient::new(client, cells.bool()?))
        };
        Ok(self.page(&self.statements().clients, after, most, read).await.map_err(Failure::into_backend)?)
    }

    /// Removes a client, and answers whether there was one. Its refresh tokens are refused from then on, as every
    /// refresh needs its client; access tokens live on until they expire.
    ///
    /// # Errors
    /// As any operation.
    pub async fn remove_client(&self, id: &str) -> Result<bool, OperationError> {
        Ok(self.is_done(&self.statements().remove_client, &[Text(Some(id))]).await?)
    }

    /// The ids of up to `most` clients, in their order, that come after `after`; from the first on if it is empty.
    /// Reads no registration, so take it to find and remove one that this version cannot read, and for a list of names
    /// only. To see what the clients may do, take [`clients`](Self::clients).
    ///
    /// # Errors
    /// As any operation.
    pub async fn client_ids(&self, after: &str, most: usize) -> Result<Vec<ClientId>, OperationError> {
        let read = |mut cells: Cells| cells.client_id();
        Ok(self.page(&self.statements().client_ids, after, most, read).await.map_err(Failure::into_backend)?)
    }

    /// What a statement lists after a key, a row for each.
    async fn page<T>(
        &self,
        statement: &str,
        after: &str,
        most: usize,
        read: impl Fn(Cells) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.rows(statement, &[Text(Some(after)), BigInt(Some(most))]).await?;
        rows.into_iter().map(|row| read(Cells::of(row))).collect()
    }
}

#[async_trait]
impl ClientRegistry for PostgresStore {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        let found = self.row_or_none(&self.statements().find_enabled_client, &[Text(Some(client_id))]).await;
        let read = |mut cells| Ok(Written::read(&mut cells)?.client);
        found.and_then(|found| found.map(read).transpose()).map_err(Failure::into_backend)
    }

    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        let answer = self.row(&self.statements().allows_origin, &[Text(Some(origin))]).await;
        answer.and_then(|mut cells| cells.bool()).map_err(Failure::into_backend)
    }
}
