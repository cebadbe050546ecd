//! Stores over a server, as several processes have them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use tower_password_grant::redis::{RedisStore, RedisStoreBuilder};
use tower_password_grant::store::{FamilyId, RefreshFamily, RefreshTokenStore, SecretDigest, StoredFamily};
use tower_password_grant::{BackendError, ClientId};

use crate::server::Redis;

/// A connection beside those of the stores, to look and to disturb.
pub async fn connect(server: &Redis) -> MultiplexedConnection {
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
    let client = Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// A prefix that no other test of this program has.
pub fn new_prefix() -> String {
    static PREFIXES: AtomicUsize = AtomicUsize::new(0);
    format!("grant-{}", PREFIXES.fetch_add(1, Ordering::Relaxed))
}

/// A connection as an application has it. Time bounds nothing here but where a test says so.
pub async fn manager(server: &Redis, answer: Duration) -> ConnectionManager {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_connection_timeout(Some(Duration::from_secs(5)))
        .set_response_timeout(Some(answer));
    ConnectionManager::new_with_config(Client::open(server.url()).unwrap(), config).await.unwrap()
}

/// A builder over a connection of its own, as one process has it.
pub async fn builder(server: &Redis, prefix: &str) -> RedisStoreBuilder<ConnectionManager> {
    let patient = Duration::from_secs(30);
    RedisStore::builder(manager(server, patient).await).prefix(prefix).deadline(patient)
}

/// Two stores over one prefix, as two processes have them.
pub async fn make_two(server: &Redis, prefix: &str) -> [RedisStore; 2] {
    [builder(server, prefix).await.open().await.unwrap(), builder(server, prefix).await.open().await.unwrap()]
}

pub async fn new_two(server: &Redis) -> [RedisStore; 2] {
    make_two(server, &new_prefix()).await
}

/// A family of alice at the client `app`, all of whose families have one place.
pub fn family(number: u64, lifetime: Duration) -> RefreshFamily {
    let now = std::time::SystemTime::now();
    let id = FamilyId::from_bytes(u128::from(number).to_be_bytes());
    RefreshFamily::new(id, "alice", ClientId::new("app").unwrap(), now, now + lifetime)
}

pub fn digest(number: u64) -> SecretDigest {
    SecretDigest::of(&format!("token {number}"))
}

/// A family. The store has another `find`, too.
pub async fn find(store: &RedisStore, id: FamilyId) -> Result<Option<StoredFamily>, BackendError> {
    RefreshTokenStore::find(store, id).await
}

pub fn said(error: &BackendError) -> String {
    format!("{error:?}")
}
