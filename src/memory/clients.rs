//! A fixed list of clients.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::registry::ClientRegistry;
use crate::protocol::client::error::ClientError;
use crate::protocol::client::registered::Client;

/// A fixed list of clients, registered in code.
///
/// ```
/// use tower_password_grant::{Client, StaticClients};
///
/// let clients = StaticClients::new([
///     Client::public("cli")
///         .allow_password_grant()
///         .scopes("read write")
///         .default_scope("read")
///         .build()?,
/// ])?;
/// # Ok::<_, tower_password_grant::client::ClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct StaticClients {
    clients: HashMap<String, Client>,
}

impl StaticClients {
    /// Takes the clients.
    ///
    /// # Errors
    /// Fails when two have the same id.
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Result<Self, ClientError> {
        let mut by_id = HashMap::new();
        for client in clients {
            let id = client.id().to_string();
            if by_id.contains_key(&id) {
                return Err(ClientError::Duplicate(id));
            }
            by_id.insert(id, client);
        }
        Ok(Self { clients: by_id })
    }
}

#[async_trait]
impl ClientRegistry for StaticClients {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        self.find_at_once(client_id).await
    }

    fn find_at_once<'a>(&'a self, client_id: &'a str) -> MaybeFuture<'a, Result<Option<Client>, BackendError>> {
        MaybeFuture::ready(Ok(self.clients.get(client_id).cloned()))
    }

    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        Ok(self.clients.values().any(|client| client.allows_origin(origin)))
    }

    fn all_clients(&self) -> Option<Vec<Client>> {
        let mut clients: Vec<Client> = self.clients.values().cloned().collect();
        clients.sort_by(|one, other| one.id().cmp(other.id()));
        Some(clients)
    }
}
