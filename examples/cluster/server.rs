//! One of the servers: an endpoint and an API over the engines that all servers share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Extension, Router, ServiceExt};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::net::TcpListener;
use tower::Layer as _;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::bearer::{BearerGuard, Principal};
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, SharedKey, StoredLimiter};
use tower_password_grant::postgres::{PostgresClients, PostgresStore};
use tower_password_grant::redis::{RedisStore, RenewingConnection};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{OpaqueIssuer, PasswordGrant, PeerAddress};

use crate::pool::pool;
use crate::start::Error;

pub(crate) type Limiter = Arc<StoredLimiter<RedisStore>>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) limiter: Limiter,
}

/// A store over a pool of a few connections, which makes nobody wait for long and is asked again after an outage.
pub(crate) async fn postgres(url: &str) -> Result<PostgresStore, Error> {
    let pool = pool(url.parse()?)?;
    let get = move || {
        let pool = pool.clone();
        async move { pool.get().await }
    };
    let builder = PostgresStore::builder(PostgresClients::pooled(get, |client: &deadpool_postgres::Client| client));
    builder.migrate().await?;
    Ok(builder.open().await?)
}

async fn redis(url: &str) -> Result<RedisStore, Error> {
    // Else it waits longer before it connects again.
    let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(500));
    let client = redis::Client::open(url)?;
    let connect = move || ConnectionManager::new_with_config(client.clone(), config.clone());
    Ok(RedisStore::builder(RenewingConnection::new(connect).await?).open().await?)
}

impl Server {
    /// Starts one on a free port.
    pub(crate) async fn start(postgres_url: &str, redis_url: &str) -> Result<Self, Error> {
        let (store, counts) = (postgres(postgres_url).await?, redis(redis_url).await?);
        // From your secrets, the same for all servers.
        let key = SharedKey::new([7; 32])?;
        let locked = Duration::from_secs(15 * 60);
        let limits = Limits::new().with_account_and_address_budget(Lockout::new(6, locked));
        let limiter = Arc::new(StoredLimiter::new(counts, &key).with_limits(limits));
        let issuer = Arc::new(OpaqueIssuer::new(store.clone()));
        let layer = PasswordGrant::builder()
            .clients(store.clone())
            .verifier(Argon2Verifier::new(store.clone())?)
            .issuer(Arc::clone(&issuer))
            .access_tokens(Arc::clone(&issuer))
            .refresh_tokens(RefreshTokens::in_store(store.clone()))
            .attack_protection(AttackProtection::new().limiter(Arc::clone(&limiter)).shared_key(key))
            .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
            .build()?;
        let guard = BearerGuard::builder(issuer).any_audience().build()?.require_scope("read")?;
        let router = Router::new().route("/api/me", get(me).layer(guard));
        let app = layer.with_body(Body::from).layer(router);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, limiter })
    }
}

/// The user that the token is of.
async fn me(Extension(caller): Extension<Principal>) -> String {
    caller.subject_id().to_owned()
}
