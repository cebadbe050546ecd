//! Made-up tokens against an API that introspects, over two real servers: good tokens stay good, and nobody else gets more
//! requests out of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_password_grant::ClientSecret;
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::bearer::{BearerGuard, IntrospectionClient};
use tower_password_grant::limiter::{IntrospectionCeiling, Limit, RequestCeiling};
use tower_password_grant::token::IntrospectionEndpoint;

use crate::support::basic;
use crate::support::bearer::{self, AUDIENCE, Api};
use crate::support::protection::{counted_by, up_to, without_ceiling};
use crate::support::server::Server;
use crate::support::spawn;
use crate::support::tokens::{Tokens, TokensBuilder, clients};

/// Made-up tokens a second.
const RATE: u32 = 150;
/// So many are under way at once.
const AT_ONCE: usize = 50;

/// The endpoint where the fixture has it.
fn asking() -> IntrospectionEndpoint {
    IntrospectionEndpoint::at("/oauth/introspect")
}

/// A token of the right form that nobody issued.
fn made_up(number: usize) -> String {
    format!("at_{number:043}")
}

fn client(server: &Server, id: &str) -> IntrospectionClient<Client<HttpConnector, Full<Bytes>>> {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let endpoint = format!("http://{}/oauth/introspect", server.address);
    IntrospectionClient::new(&endpoint, http, id, &ClientSecret::new(format!("{id}-pw"))).unwrap()
}

/// An API that asks this server about tokens, as the client `rs`.
async fn api(tokens: &Tokens, server: &Server) -> Api {
    let client = client(server, "rs").with_clock(tokens.clock.clone());
    let guard = BearerGuard::builder(client).audience(AUDIENCE).clock(tokens.clock.clone()).build().unwrap();
    Api::serve(bearer::api(&guard)).await
}

/// Sends the API made-up tokens for so many seconds, and a good one beside each 50.
async fn flood(tokens: &Tokens, seconds: usize) {
    let server = Server::start(&tokens.layer).await;
    let api = api(tokens, &server).await;
    let good = format!("Bearer {}", tokens.login("conf").await.access);
    for round in 0..seconds * RATE as usize / AT_ONCE {
        let mut asked = Vec::new();
        for number in 0..AT_ONCE {
            let (api, token) = (api.clone(), format!("Bearer {}", made_up(round * AT_ONCE + number)));
            asked.push(spawn(async move { api.get(&token).await }));
        }
        let answer = api.get(&good).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"user-alice read write"[..]), "{round}");
        for asked in asked {
            asked.await.unwrap().assert_refused(401, "invalid_token");
        }
        tokens.clock.advance(Duration::from_secs(1) * AT_ONCE as u32 / RATE);
    }
}

#[tokio::test]
async fn a_flood_of_made_up_tokens_at_an_api_takes_nothing_from_its_good_tokens() {
    // 3,750 and 75 good ones, where the address may send 1,000 at once and 2,500 in the time.
    flood(&Tokens::with(clients(), |builder| builder), 25).await;
}

#[cfg(all(feature = "sqlite", feature = "testing"))]
#[tokio::test]
async fn the_same_flood_with_the_limiter_in_sqlite_takes_nothing_from_the_good_tokens() {
    use tower_password_grant::sqlite::SqliteStore;
    use tower_password_grant::testing::ManualClock;

    let folder = std::env::temp_dir().join(format!("introspection-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let store = SqliteStore::builder(folder.join("limiter.db")).clock(ManualClock::new()).open().unwrap();
    let tokens = Tokens::with(clients(), |builder| {
        // 600 and 12 good ones, where the address may send 100 at once and 400 in the time.
        builder.attack_protection(counted_by(store.limiter()).request_ceiling(RequestCeiling::per_address(100, 100)))
    });
    flood(&tokens, 4).await;
    store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}

type Why = (Option<Reason>, Option<Limit>, Option<Limit>);
type Audit = Arc<Mutex<Vec<Why>>>;

/// The reason and limit of each refusal, and the limit that would have refused.
fn sink() -> (Audit, impl Fn(&AuditEvent<'_>) + Send + Sync + 'static) {
    let audit = Audit::default();
    let kept = Arc::clone(&audit);
    let sink = move |event: &AuditEvent<'_>| {
        let reason = match event.outcome {
            AuditOutcome::Refused { reason, .. } => Some(reason),
            _ => None,
        };
        kept.lock().unwrap().push((reason, event.limit, event.monitored));
    };
    (audit, sink)
}

/// A server whose addresses may send 20 requests at once, and what was audited.
fn small(change: impl FnOnce(TokensBuilder) -> TokensBuilder) -> (Tokens, Audit) {
    let (audit, sink) = sink();
    let tokens = Tokens::with(clients(), |builder| {
        change(builder.audit(sink).attack_protection(up_to(RequestCeiling::per_address(20, 1))))
    });
    (tokens, audit)
}

fn why(audit: &Audit) -> Why {
    *audit.lock().unwrap().last().unwrap()
}

const THROTTLED: Why = (Some(Reason::RequestsThrottled), Some(Limit::Requests), None);

#[tokio::test]
async fn only_a_client_that_has_authenticated_and_may_ask_gets_its_requests_back() {
    let wrong = basic("rs", "wrong");
    let unknown = basic("nobody", "rs-pw");
    let (rs, svc) = (basic("rs", "rs-pw"), basic("svc", "svc-pw"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let bearer = format!("Bearer {}", made_up(1));
    let token = format!("token={}", made_up(0));
    let public = format!("{token}&client_id=pub");
    let cases: [(&str, &str, Option<&str>, &str); 10] = [
        ("POST", "/oauth/introspect", None, &token),
        ("POST", "/oauth/introspect", Some(&wrong), &token),
        ("POST", "/oauth/introspect", Some(&unknown), &token),
        // A client that may not ask: it gets `{"active":false}`.
        ("POST", "/oauth/introspect", Some(&svc), &token),
        ("POST", "/oauth/introspect", None, &public),
        ("POST", "/oauth/introspect", Some(&bearer), &token),
        ("GET", "/oauth/introspect", Some(&rs), ""),
        ("POST", "/oauth/introspect", Some(&rs), "%"),
        // Other requests of a client that may ask count like everybody's.
        ("POST", "/oauth/revoke", Some(&rs), &token),
        ("POST", "/oauth/token", Some(&rs), "grant_type=password&username=alice&password=wrong"),
    ];
    for (method, path, authorization, body) in cases {
        let (tokens, audit) = small(|builder| builder);
        let headers: Vec<_> = authorization.into_iter().map(|value| ("authorization", value)).chain(form).collect();
        for _ in 0..20 {
            tokens.send(method, path, &headers, body).await;
            assert_ne!(why(&audit), THROTTLED, "{method} {path} {body}");
        }
        let answer = tokens.send(method, path, &headers, body).await;
        assert_eq!(why(&audit), THROTTLED, "{method} {path} {body}");
        answer.assert_error(429, "too_many_attempts");
        // The address has none left for one that may ask, either: nothing is read before it is counted.
        let answer = tokens.post("/oauth/introspect", "rs", &token).await;
        answer.assert_error(429, "too_many_attempts");
    }
}

#[tokio::test]
async fn a_client_that_may_ask_leaves_the_addresss_requests_to_the_others() {
    let (tokens, audit) = small(|builder| builder);
    for number in 0..100 {
        assert_eq!(tokens.introspect("rs", &made_up(number)).await["active"], false);
        // An error after the authentication gives it back, too.
        tokens.post("/oauth/introspect", "rs", "token=").await.assert_error(400, "invalid_request");
    }
    let stranger = async || {
        tokens.send("POST", "/oauth/introspect", &[], "token=x").await;
        why(&audit) == THROTTLED
    };
    for number in 0..19 {
        assert!(!stranger().await, "{number}");
        assert_eq!(tokens.introspect("rs", &made_up(number)).await["active"], false);
    }
    assert_eq!((stranger().await, stranger().await), (false, true));
}

#[tokio::test]
async fn a_client_that_may_ask_has_a_ceiling_of_its_own_over_all_its_addresses() {
    let (tokens, audit) =
        small(|builder| builder.introspection(asking().ceiling(IntrospectionCeiling::per_client(30, 2))));
    for number in 0..30 {
        assert_eq!(tokens.introspect("rs", &made_up(number)).await["active"], false);
    }
    let token = format!("token={}", made_up(0));
    let answer = tokens.post("/oauth/introspect", "rs", &token).await;
    answer.assert_error(429, "too_many_attempts");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(why(&audit), (Some(Reason::IntrospectionsThrottled), Some(Limit::Introspections), None));
    // From wherever it asks.
    let server = Server::start(&tokens.layer).await;
    let api = api(&tokens, &server).await;
    let answer = api.get(&format!("Bearer {}", made_up(1))).await;
    answer.assert_refused(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    // Another client has its own, and what this one does otherwise is not counted.
    assert_eq!(tokens.introspect("conf", &made_up(0)).await["active"], false);
    assert_eq!(tokens.post("/oauth/revoke", "rs", &token).await.status.as_u16(), 200);
    // Refusals are not counted: half a second later there is one more, and it was not the address's.
    tokens.clock.advance(Duration::from_millis(500));
    assert_eq!(tokens.introspect("rs", &made_up(0)).await["active"], false);
    tokens.post("/oauth/introspect", "rs", &token).await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn ceilings_that_only_watch_refuse_nothing_and_say_what_they_would_have_refused() {
    let (tokens, audit) = small(|builder| {
        let ceiling = RequestCeiling::per_address(20, 1).monitor();
        builder
            .attack_protection(up_to(ceiling))
            .introspection(asking().ceiling(IntrospectionCeiling::per_client(30, 1).monitor()))
    });
    for number in 0..60 {
        assert_eq!(tokens.introspect("rs", &made_up(number)).await["active"], false);
        let expected = (number >= 30).then_some(Limit::Introspections);
        assert_eq!(why(&audit), (None, None, expected), "{number}");
    }
    // Nothing of that was counted on the address, and what was not counted is not given back.
    for number in 0..25 {
        tokens.send("POST", "/oauth/introspect", &[], "token=x").await;
        let expected = (number >= 20).then_some(Limit::Requests);
        assert_eq!(why(&audit), (Some(Reason::NoClient), None, expected), "{number}");
        assert_eq!(tokens.introspect("conf", &made_up(number)).await["active"], false);
    }
}

#[tokio::test]
async fn inactive_tokens_are_remembered_for_ten_seconds_and_never_instead_of_good_ones() {
    let (audit, sink) = sink();
    let tokens = Tokens::with(clients(), |builder| builder.audit(sink).attack_protection(without_ceiling()));
    let server = Server::start(&tokens.layer).await;
    let api = api(&tokens, &server).await;
    let asked = || audit.lock().unwrap().len();
    let get = async |token: &str, status: u16| {
        let before = asked();
        assert_eq!(api.get(&format!("Bearer {token}")).await.status.as_u16(), status, "{token}");
        asked() - before
    };
    assert_eq!(get(&made_up(0), 401).await, 1);
    tokens.clock.advance(Duration::from_millis(9_999));
    assert_eq!(get(&made_up(0), 401).await, 0);
    tokens.clock.advance(Duration::from_millis(1));
    assert_eq!(get(&made_up(0), 401).await, 1);
    // A good one is asked for each time, and is refused at once when it was revoked.
    let good = tokens.login("conf").await.access;
    assert_eq!((get(&good, 200).await, get(&good, 200).await), (1, 1));
    assert_eq!(tokens.revoke("conf", &good).await.status.as_u16(), 200);
    assert_eq!((get(&good, 401).await, get(&good, 401).await), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_asked_for() {
    use tower_password_grant::bearer::AccessTokenVerifier as _;

    let (audit, sink) = sink();
    let tokens = Tokens::with(clients(), |builder| builder.audit(sink));
    let server = Server::start(&tokens.layer).await;
    let client = client(&server, "rs");
    let (longest, longer) = ("a".repeat(8192), "a".repeat(8193));
    for token in ["", "=", "a b", "a\u{e9}", "a,b", "a=b", "\0", &longer] {
        assert!(client.verify(token).await.unwrap().is_none(), "{token}");
    }
    assert_eq!(audit.lock().unwrap().len(), 0);
    // Tokens of other servers look otherwise.
    for token in ["a", "a.b.c", "a+b/c~d-e_f==", &longest] {
        assert!(client.verify(token).await.unwrap().is_none(), "{token}");
    }
    assert_eq!(audit.lock().unwrap().len(), 4);
}
