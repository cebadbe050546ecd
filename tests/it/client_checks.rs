//! Client secrets are looked at, compared, and charged or forgiven in one step of the limiter: a busy client with the right
//! secret is never refused, and of wrong ones exactly the budget is compared (CA-13, PW-07).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tower_password_grant::audit::Reason;
use tower_password_grant::limiter::{AttemptLimiter, MemoryLimiter};
use tower_password_grant::testing::contract;

use crate::support::basic;
#[cfg(feature = "sqlite")]
use crate::support::folder;
use crate::support::protection::counted_by;
use crate::support::server::{Connection, Server};
use crate::support::tokens::{Tokens, clients};

/// As many requests at once as an API makes that is asked by many.
const AT_ONCE: usize = 64;
const BUDGET: usize = 10;

/// The endpoint over each limiter, with whatever must outlive it.
fn each(mut scene: impl FnMut(&'static str, Tokens)) {
    let over = |limiter: Arc<dyn AttemptLimiter>| {
        Tokens::with(clients(), |builder| builder.attack_protection(counted_by(limiter)))
    };
    scene("memory", over(Arc::new(MemoryLimiter::new())));
    #[cfg(feature = "sqlite")]
    {
        let folder = folder::Folder::new();
        scene("sqlite", over(Arc::new(folder.store().limiter())));
    }
}

fn run(scene: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(scene);
}

fn request(path: &str, secret: &str, form: &str) -> String {
    let (authorization, length) = (basic("conf", secret), form.len());
    format!(
        "POST {path} HTTP/1.1\r\nHost: as.example\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nAuthorization: {authorization}\r\n\r\n{form}"
    )
}

/// Sends all of these at once, each over a connection of its own, and counts the statuses.
async fn at_once(server: &Server, requests: Vec<String>) -> HashMap<u16, usize> {
    let mut calls = Vec::new();
    for request in requests {
        let mut connection = Connection::open(server.address).await;
        calls.push(async move { connection.exchange(request).await.status.as_u16() });
    }
    let mut statuses = HashMap::new();
    for status in contract::together(calls).await {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

#[test]
fn sixty_four_introspections_and_revocations_at_once_with_the_right_secret_are_all_answered() {
    each(|name, tokens| {
        run(async {
            let server = Server::start(&tokens.layer).await;
            for round in 0..5 {
                for path in ["/oauth/introspect", "/oauth/revoke"] {
                    let requests = (0..AT_ONCE).map(|token| request(path, "conf-pw", &format!("token=none{token}")));
                    let statuses = at_once(&server, requests.collect()).await;
                    assert_eq!(statuses, HashMap::from([(200, AT_ONCE)]), "{name} {path} {round}");
                }
            }
        });
    });
}

#[test]
fn of_sixty_four_wrong_secrets_at_once_exactly_the_budget_is_compared_and_the_right_one_learns_nothing() {
    each(|name, tokens| {
        run(async {
            let server = Server::start(&tokens.layer).await;
            let requests = (0..AT_ONCE).map(|guess| request("/oauth/introspect", &format!("guess{guess}"), "token=x"));
            let statuses = at_once(&server, requests.collect()).await;
            assert_eq!(statuses, HashMap::from([(401, BUDGET), (429, AT_ONCE - BUDGET)]), "{name}");
            assert_eq!(tokens.count(Reason::WrongSecret), BUDGET, "{name}");

            // The right one among others is refused as they are, to the byte.
            let mut connection = Connection::open(server.address).await;
            let wrong = connection.exchange(request("/oauth/introspect", "another", "token=x")).await;
            let right = connection.exchange(request("/oauth/introspect", "conf-pw", "token=x")).await;
            assert_eq!((wrong.status.as_u16(), right.status.as_u16()), (429, 429), "{name}");
            assert_eq!((&wrong.headers, &wrong.body), (&right.headers, &right.body), "{name}");
        });
    });
}

#[test]
fn a_right_secret_among_wrong_ones_at_once_buys_no_free_guess() {
    each(|name, tokens| {
        run(async {
            let server = Server::start(&tokens.layer).await;
            // It forgives what it finds, so at most its own budget and that of those before it are compared.
            let requests = (0..AT_ONCE).map(|guess| {
                let secret = if guess == AT_ONCE / 2 { "conf-pw".to_owned() } else { format!("guess{guess}") };
                request("/oauth/revoke", &secret, "token=x")
            });
            let statuses = at_once(&server, requests.collect()).await;
            let (right, wrong) = (statuses.get(&200).copied().unwrap_or(0), statuses[&401]);
            assert!(wrong <= BUDGET + right * (BUDGET - 1) && wrong >= BUDGET, "{name}: {statuses:?}");
            assert_eq!(tokens.count(Reason::WrongSecret), wrong, "{name}");
        });
    });
}

#[test]
fn a_right_secret_forgives_the_wrong_ones_before_it() {
    each(|name, tokens| {
        run(async {
            for _ in 0..3 {
                for guess in 0..BUDGET - 1 {
                    let wrong = basic("conf", &format!("guess{guess}"));
                    let answer = tokens.send("POST", "/oauth/revoke", &[("authorization", &wrong)], "token=x").await;
                    answer.assert_error(401, "invalid_client");
                }
                tokens.revoke("conf", "x").await;
            }
            assert_eq!(tokens.count(Reason::ClientThrottled), 0, "{name}");
        });
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn a_right_secret_from_an_address_that_it_came_from_before_writes_nothing() {
    use tower_password_grant::testing::ManualClock as Wall;

    let folder = folder::Folder::new();
    // The third file beside it is memory that is shared.
    let written = || ["auth.db", "auth.db-wal"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    let wall = Wall::at(folder::at(0));
    run(async {
        let store =
            tower_password_grant::sqlite::SqliteStore::builder(folder.file()).clock(wall.clone()).open().unwrap();
        let limiter = Arc::new(store.limiter());
        let tokens = Tokens::with(clients(), |builder| builder.attack_protection(counted_by(Arc::clone(&limiter))));
        let introspect = async || assert!(!tokens.is_active("none").await);
        let before = written();
        introspect().await;
        let known = written();
        assert!(before != known, "the address is remembered");
        for _ in 0..AT_ONCE {
            introspect().await;
        }
        assert!(written() == known, "nothing is written");
        // A day or two later that is said again, once.
        wall.advance(Duration::from_secs(2 * 24 * 3600));
        introspect().await;
        let later = written();
        assert!(later != known, "the address stays remembered");
        introspect().await;
        assert!(written() == later, "nothing is written");
        // What was wrong is forgiven, which is written.
        let wrong = basic("conf", "wrong");
        let answer = tokens.send("POST", "/oauth/revoke", &[("authorization", &wrong)], "token=x").await;
        answer.assert_error(401, "invalid_client");
        let charged = written();
        assert!(charged != later, "the charge is kept");
        introspect().await;
        assert!(written() != charged, "the charge is forgiven");
        store.close().await;
    });
}
