//! The endpoints, each at a path of its own, and the server on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::client::ClientAuthMethod;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::realms::FirstOf;
use tower_password_grant::store::{MemoryAccessTokens, SecretDigest};
use tower_password_grant::{
    Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, TokenEndpoint,
};

use super::leaving::{self, EARLY_AFTER_END, EARLY_AT_END, EARLY_ON_RAMP, EarlyWhereOut};
use super::mutants::{Early, EarlyInRealm, NoDummyForUnusable, Own, Shared};
use super::users::{FOREIGN_REALM, NO_REALM, REALM, Users};

/// One hashing thread: of two with memory of their own, one may be the faster, and each pair would compare them.
pub const REAL: &str = "/real";
/// Several hashing threads: for what runs in parallel.
pub const WIDE: &str = "/wide";
/// On every machine, so that eight requests never have a thread each.
pub const WIDE_THREADS: usize = 2;
pub const EARLY: &str = "/early";
pub const NO_DUMMY: &str = "/no-dummy";
pub const EARLY_IN_NO_REALM: &str = "/early-in-no-realm";
pub const EARLY_IN_FOREIGN_REALM: &str = "/early-in-foreign-realm";
pub const SHARED: &str = "/shared";
pub const OWN_EQUAL: &str = "/own-equal";
pub const OWN_CHEAPER: &str = "/own-cheaper";

/// Two directories, one behind the other.
pub const FIRST_OF: &str = "/first-of";
/// Of which the first answers early for unknown names.
pub const FIRST_OF_EARLY: &str = "/first-of-early";
/// Of which the second does, so that a look for nobody costs nothing.
pub const FIRST_OF_BLIND: &str = "/first-of-blind";

pub const CLIENT: &str = "cli-a";
/// Bound to the other realm.
pub const REALM_CLIENT: &str = "cli-b";
/// Bound to a third one.
pub const FOREIGN_CLIENT: &str = "cli-c";
pub const CONFIDENTIAL: &str = "app-a";
pub const METHOD_CLIENT: &str = "raw-a";
/// The name of the early-exit method, for which the last of them is registered.
pub const METHOD: &str = "plain_secret";

/// Counts as always, refuses never.
fn limiter() -> MemoryLimiter {
    let window = Duration::from_secs(900);
    MemoryLimiter::new().with_limits(
        Limits::new()
            .with_budget(u32::MAX, window)
            .with_account_budget(Lockout::new(u32::MAX, window))
            .with_address_budget(TokenBucket::new(u32::MAX, Duration::from_millis(1))),
    )
}

fn clients(secret: &SecretDigest) -> StaticClients {
    let grant = |client: tower_password_grant::client::ClientBuilder| {
        client.allow_password_grant().scopes("read").default_scope("read")
    };
    let [ramped, ended] = leaving::clients(grant);
    StaticClients::new([
        ramped,
        ended,
        grant(Client::public(CLIENT)).build().unwrap(),
        grant(Client::public(REALM_CLIENT)).realm(REALM).build().unwrap(),
        grant(Client::public(FOREIGN_CLIENT)).realm(FOREIGN_REALM).build().unwrap(),
        grant(Client::confidential(CONFIDENTIAL, secret)).build().unwrap(),
        grant(Client::with_method(METHOD_CLIENT, METHOD)).build().unwrap(),
    ])
    .unwrap()
}

/// An endpoint. `secret` is that of the confidential client.
pub fn endpoint(
    verifier: impl CredentialVerifier,
    secret: &SecretDigest,
    method: Option<impl ClientAuthMethod>,
) -> TokenEndpoint {
    let mut builder = PasswordGrant::builder()
        .clients(clients(secret))
        .verifier(verifier)
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .attack_protection(
            AttackProtection::new()
                .limiter(limiter())
                .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
        )
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())));
    if let Some(method) = method {
        builder = builder.client_auth_method(method);
    }
    builder.build().unwrap().endpoint()
}

pub fn verifier(users: &Arc<Users>, parameters: &Argon2Parameters, threads: usize) -> Arc<Argon2Verifier<Arc<Users>>> {
    let builder = Argon2Verifier::builder(Arc::clone(users)).parameters(parameters.clone()).threads(threads);
    // Nothing is refused, not even on a machine that other programs keep busy.
    Arc::new(builder.max_wait(Duration::from_secs(20)).queue_percent_per_address(100).build().unwrap())
}

/// Serves every path until the process ends.
pub fn serve(secret: &SecretDigest) -> SocketAddr {
    let full = Argon2Parameters::default();
    let users = Arc::new(Users::new(&full, &Argon2Parameters::new(9_728, 2, 1).unwrap()));
    let real = verifier(&users, &full, 1);
    let wide = verifier(&users, &full, WIDE_THREADS);
    let others = Arc::new(Users::others(&full));
    let other = verifier(&others, &full, 1);
    let first_of = FirstOf::new(Arc::clone(&real)).then(Arc::clone(&other));
    let first_of_early = FirstOf::new(Early::new(&users, &real)).then(Arc::clone(&other));
    let first_of_blind = FirstOf::new(Arc::clone(&real)).then(Early::new(&others, &other));
    let none = || None::<Arc<dyn ClientAuthMethod>>;
    let app = Router::new()
        .route_service(REAL, endpoint(Arc::clone(&real), secret, none()))
        .route_service(WIDE, endpoint(Arc::clone(&wide), secret, none()))
        .route_service(EARLY, endpoint(Early::new(&users, &real), secret, none()))
        .route_service(FIRST_OF, endpoint(first_of, secret, none()))
        .route_service(FIRST_OF_EARLY, endpoint(first_of_early, secret, none()))
        .route_service(FIRST_OF_BLIND, endpoint(first_of_blind, secret, none()))
        .route_service(NO_DUMMY, endpoint(NoDummyForUnusable::new(&real), secret, none()))
        .route_service(EARLY_IN_NO_REALM, endpoint(EarlyInRealm::new(&real, NO_REALM), secret, none()))
        .route_service(EARLY_IN_FOREIGN_REALM, endpoint(EarlyInRealm::new(&real, FOREIGN_REALM), secret, none()))
        .route_service(EARLY_ON_RAMP, endpoint(EarlyWhereOut::of_ramp(&real), secret, none()))
        .route_service(EARLY_AFTER_END, endpoint(EarlyWhereOut::of_end(&real), secret, none()))
        .route_service(EARLY_AT_END, endpoint(EarlyWhereOut::of_client(&real), secret, none()))
        .route_service(SHARED, endpoint(Shared::new(&users, &wide), secret, none()))
        .route_service(OWN_EQUAL, endpoint(Own::new(&users, 19_456), secret, none()))
        .route_service(OWN_CHEAPER, endpoint(Own::new(&users, 19_456 * 95 / 100), secret, none()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        });
    });
    address
}
