//! What an operator sees of a client.

use super::registered::Client;

/// A client of a store that keeps clients itself, as its operator sees it, whether it is enabled or not: `SqliteStore::clients` and
/// `PostgresStore::clients` list them.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    client: Client,
    is_enabled: bool,
}

impl RegisteredClient {
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) const fn new(client: Client, is_enabled: bool) -> Self {
        Self { client, is_enabled }
    }

    /// The registration.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the client may be used; `set_client_enabled` of the store says whether it may.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.is_enabled
    }
}
