//! Refreshes, revocations and replays at the same moment, over real sockets: never two live tokens, never an honest client that
//! is logged out, and nothing that is live after it was ended.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use tokio::sync::Mutex;
use tower_password_grant::PeerAddress;
use tower_password_grant::audit::Reason;
use tower_password_grant::testing::contract;

use crate::support::counts::full_or;
use crate::support::protection::without_ceiling;
use crate::support::server::Connection;
use crate::support::tokens::{Login, Tokens, clients};
use crate::support::{self, Answer, basic, spawn};

/// A real server and connections to it that stay open.
struct Served {
    tokens: Tokens,
    connections: Vec<Arc<Mutex<Connection>>>,
}

impl Served {
    async fn start(connections: usize) -> Self {
        let tokens = Tokens::with(clients(), |builder| {
            builder
                .attack_protection(without_ceiling())
                .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        });
        let app = Router::new().layer(tokens.layer.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(Arc::new(Mutex::new(Connection::open(address).await)));
        }
        Self { tokens, connections: open }
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        self.connections[0].lock().await.exchange(request(path, form)).await
    }

    /// Sends all of these at the same moment, each on a connection of its own.
    async fn race(&self, requests: &[(&str, String)]) -> Vec<Answer> {
        assert!(requests.len() <= self.connections.len());
        let calls = requests.iter().zip(&self.connections).map(|((path, form), connection)| {
            let (connection, request) = (Arc::clone(connection), request(path, form));
            async move { connection.lock().await.exchange(request).await }
        });
        contract::together(calls).await
    }

    async fn login(&self) -> Login {
        Login::of(&self.post("/oauth/token", support::PW).await.assert_ok())
    }

    /// Every token that was ever given is worth nothing.
    async fn assert_all_dead(&self, logins: &[Login]) {
        for login in logins {
            let json = self.post("/oauth/introspect", &format!("token={}", login.access)).await.json();
            assert_eq!(json["active"], false, "an access token outlived its login");
            let json = self.post("/oauth/introspect", &format!("token={}", login.refresh)).await.json();
            assert_eq!(json["active"], false);
            self.post("/oauth/token", &refresh(&login.refresh)).await.assert_error(400, "invalid_grant");
        }
    }
}

fn request(path: &str, form: &str) -> String {
    let auth = basic("conf", "conf-pw");
    format!(
        "POST {path} HTTP/1.1\r\nhost: as.example\r\nauthorization: {auth}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn refresh(token: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={token}")
}

/// What the successful ones of these gave.
fn given(answers: &[Answer]) -> Vec<Login> {
    answers.iter().filter(|answer| answer.status == 200).map(|answer| Login::of(&answer.json())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refreshes_of_one_token_all_get_the_same_live_one_t56_t59_rf_12() {
    let served = Served::start(64).await;
    let mut token = served.login().await.refresh;
    let mut seen = HashSet::from([token.clone()]);
    for round in 0..full_or(200, 50) {
        let requests: Vec<_> = (0..64).map(|_| ("/oauth/token", refresh(&token))).collect();
        let answers = served.race(&requests).await;
        let next: HashSet<String> = given(&answers).into_iter().map(|login| login.refresh).collect();
        assert!(answers.iter().all(|answer| answer.status == 200), "round {round}: an honest client was logged out");
        assert_eq!(next.len(), 1, "round {round}: two live tokens");
        // The next round shows that it is live; and the round after that the one before would not be.
        token = next.into_iter().next().unwrap();
        assert!(seen.insert(token.clone()));
    }
    assert_eq!(served.tokens.count(Reason::RefreshTokenReplayed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_live_after_a_revocation_that_ran_beside_refreshes_t57_t71() {
    let served = Served::start(8).await;
    let (mut before, mut after) = (0, 0);
    for round in 0..full_or(200, 50) {
        let login = served.login().await;
        let kept = served.login().await;
        let mut requests: Vec<_> = (0..6).map(|_| ("/oauth/token", refresh(&login.refresh))).collect();
        let place = round % 7;
        requests.insert(place, ("/oauth/revoke", format!("token={}", login.refresh)));
        let mut answers = served.race(&requests).await;
        answers.remove(place).assert_empty_ok();
        for answer in &answers {
            assert!([200, 400].contains(&answer.status.as_u16()), "{answer:?}");
        }
        let given = given(&answers);
        before += given.len();
        after += answers.len() - given.len();
        served.assert_all_dead(&given).await;
        served.assert_all_dead(std::slice::from_ref(&login)).await;
        // Another login of the same user and client is none of its business.
        served.post("/oauth/token", &refresh(&kept.refresh)).await.assert_ok();
    }
    assert!(before > 0 && after > 0, "the race was none: {before} before, {after} after");
    assert_eq!(served.tokens.count(Reason::RefreshTokenReplayed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_live_after_a_replay_that_ran_beside_refreshes_and_it_is_told_once_t57_rf_11() {
    let served = Served::start(8).await;
    let (mut before, mut after) = (0, 0);
    for round in 0..full_or(200, 50) {
        let first = served.login().await;
        let second = Login::of(&served.post("/oauth/token", &refresh(&first.refresh)).await.assert_ok());
        let third = Login::of(&served.post("/oauth/token", &refresh(&second.refresh)).await.assert_ok());
        let mut requests: Vec<_> = (0..6).map(|_| ("/oauth/token", refresh(&third.refresh))).collect();
        // Two thieves at once: one event.
        for place in [round % 7, round % 3] {
            requests.insert(place, ("/oauth/token", refresh(&first.refresh)));
        }
        let answers = served.race(&requests).await;
        let given = given(&answers);
        for (answer, (_, form)) in answers.iter().zip(&requests) {
            if *form == refresh(&first.refresh) {
                answer.assert_error(400, "invalid_grant");
            }
        }
        before += given.len();
        after += 6 - given.len();
        served.assert_all_dead(&given).await;
        served.assert_all_dead(&[first, second, third]).await;
        assert_eq!(served.tokens.count(Reason::RefreshTokenReplayed), round + 1);
    }
    assert!(before > 0 && after > 0, "the race was none: {before} before, {after} after");
}
