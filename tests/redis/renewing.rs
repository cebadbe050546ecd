//! A connection that is open, and silent for ever.

use std::time::{Duration, Instant};

use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::redis::{RedisStore, RenewingConnection};
use tower_password_grant::store::OneTimeValues;

use crate::proxy::{Fault, Proxy};
use crate::server::Redis;
use crate::stores::{digest, new_prefix};

/// A store over a connection that is made anew, whose calls are given up by the client library or by the store.
async fn open(proxy: &Proxy, answer: Duration, deadline: Duration) -> RedisStore {
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(answer));
    let client = Client::open(format!("redis://127.0.0.1:{}/", proxy.port)).unwrap();
    let connect = move || ConnectionManager::new_with_config(client.clone(), config.clone());
    let connection = RenewingConnection::new(connect).await.unwrap();
    RedisStore::builder(connection).prefix(&new_prefix()).deadline(deadline).open().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stays_silent_is_made_anew() {
    let Some(server) = Redis::start("silent") else { return };
    let (soon, patient) = (Duration::from_millis(1_500), Duration::from_secs(30));
    for (answer, deadline) in [(soon, patient), (patient, soon)] {
        let proxy = Proxy::start(server.port).await;
        let store = open(&proxy, answer, deadline).await;
        proxy.arm(Fault::Silent, 0);
        let error = store.is_spent(&digest(1)).await.unwrap_err();
        assert_eq!(error.kind(), Unavailable, "{error:?}");
        assert!(proxy.heal());
        // Over the same connection nothing would ever come.
        let healed = Instant::now();
        while let Err(error) = store.is_spent(&digest(1)).await {
            assert!(healed.elapsed() < Duration::from_secs(5), "{error:?}");
        }
    }
}
