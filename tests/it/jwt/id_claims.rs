//! What ID tokens say about their users, and what becomes of a login when that cannot be said.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::jwt::{IdClaims, JwtIssuer, SigningAlgorithm};
use tower_password_grant::rules::{Ruling, rule_fn};
use tower_password_grant::{BackendError, Client, Grant, StaticClients, TokenIssuer as _, issue_fn};

use super::helpers::*;
use super::id_world::IdWorld;
use crate::support::capture::{self, Capture};
use crate::support::tokens::text;
use crate::support::{Probe, builder, digest, panics};

const CANARY: &str = "C4nary78Xq7Zt3Kw9Lm5Rb2Vh8Np";

fn ed() -> JwtIssuer {
    issuer(SigningAlgorithm::EdDsa)
}

/// A row of the application's table of users.
#[derive(Clone)]
struct Row {
    name: String,
    email: String,
}

/// The table, which answers later.
#[derive(Clone)]
struct Table(Arc<Mutex<Row>>);

impl Table {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Row { name: "Alice Ä.".to_owned(), email: "alice@example.com".to_owned() })))
    }

    async fn claims(self, grant: Grant) -> Result<IdClaims, BackendError> {
        assert_eq!(grant.subject().id(), "user-alice");
        tokio::task::yield_now().await;
        let row = self.0.lock().unwrap().clone();
        let mut claims = IdClaims::new().claim("https://as.example/by", grant.grant_type())?;
        if grant.scope().contains("profile") {
            claims = claims.claim("name", row.name)?;
        }
        if grant.scope().contains("email") {
            claims = claims.claim("email", row.email)?.claim("email_verified", true)?;
        }
        Ok(claims)
    }
}

/// The claims that the application added.
fn added(mut claims: Map<String, Value>) -> Value {
    for own in ["iss", "sub", "aud", "iat", "exp", "auth_time"] {
        claims.remove(own).unwrap();
    }
    claims.into()
}

#[tokio::test]
async fn the_application_says_what_scope_and_subject_ask_for_and_says_it_anew_at_each_refresh() {
    let table = Table::new();
    let users = table.clone();
    let world = IdWorld::new(ed().with_id_tokens(move |grant| users.clone().claims(grant)));
    let by = "https://as.example/by";
    let only = world.login("openid").await.assert_ok();
    assert_eq!(added(world.id_claims(&only)), json!({ by: "password" }));
    let email = world.login("openid+email").await.assert_ok();
    let address = "alice@example.com";
    assert_eq!(added(world.id_claims(&email)), json!({ by: "password", "email": address, "email_verified": true }));

    let both = world.login("openid+email+profile").await.assert_ok();
    assert_eq!(world.id_claims(&both)["name"], "Alice Ä.");
    table.0.lock().unwrap().name = "Alice Z.".to_owned();
    let next = world.refresh(&both, "").await.assert_ok();
    let expected = json!({ by: "refresh_token", "name": "Alice Z.", "email": address, "email_verified": true });
    assert_eq!(added(world.id_claims(&next)), expected);
    let less = world.refresh(&next, "&scope=openid+profile").await.assert_ok();
    assert_eq!(added(world.id_claims(&less)), json!({ by: "refresh_token", "name": "Alice Z." }));
}

#[tokio::test]
async fn claims_of_rules_and_of_the_access_token_stay_there_and_those_of_the_id_token_here() {
    let (audit, sink) = capture::sink();
    let issuer = ed()
        .with_claims(|_| json!({ "tenant": "acme" }))
        .with_id_tokens(|_| async { Ok(IdClaims::new().claim("email", CANARY)?) });
    let claiming = rule_fn("claiming", |_| async { Ok(Ruling::proceed().claim("level", 7)?) });
    let world = IdWorld::with(issuer, |builder| builder.rule(claiming).audit(sink));
    let (capture, _guard) = Capture::listen();
    let json = world.login("openid").await.assert_ok();
    assert_eq!(added(world.id_claims(&json)), json!({ "email": CANARY }));
    let access = part(&text(&json, "access_token"), 1);
    assert_eq!((&access["tenant"], &access["level"], access.get("email")), (&json!("acme"), &json!(7), None));

    // Nothing but the token says what the user is like, and nothing says the token.
    let introspected = world.introspect(&text(&json, "access_token")).await;
    assert_eq!((&introspected["active"], &introspected["level"]), (&json!(true), &json!(7)));
    let said = format!("{introspected} {} {:?} {:?}", capture.text(), audit.lock().unwrap(), world.issuer);
    let id_token = text(&json, "id_token");
    for secret in id_token.split('.').skip(1).chain([CANARY]) {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("user-alice"));
}

/// Logs in with claims that cannot be made, and answers what telemetry says.
async fn failing(
    status: u16,
    code: &str,
    fail: impl Fn() -> Result<IdClaims, BackendError> + Send + Sync + 'static,
) -> (IdWorld, String) {
    panics::quiet();
    let fail = Arc::new(fail);
    let world = IdWorld::new(ed().with_id_tokens(move |_| {
        let fail = Arc::clone(&fail);
        async move {
            tokio::task::yield_now().await;
            fail()
        }
    }));
    let (capture, _guard) = Capture::listen();
    let answer = world.login("openid").await;
    answer.assert_error(status, code);
    assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY));
    assert_eq!(answer.json().get("id_token"), None);
    (world, capture.text())
}

#[tokio::test]
async fn a_claim_of_the_protocol_cannot_be_replaced_and_answers_500() {
    for name in ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "Sub"] {
        let fail = move || Ok(IdClaims::new().claim(name, CANARY)?);
        let (_, said) = failing(500, "server_error", fail).await;
        assert!(said.contains(&format!("the claim `{name}` of an ID token")) && !said.contains(CANARY), "{said}");
    }
    let (_, said) = failing(500, "server_error", || Ok(IdClaims::of(&[1])?)).await;
    assert!(said.contains("claims must be a JSON object"), "{said}");
}

#[tokio::test]
async fn a_table_that_fails_answers_503_or_500_as_any_issuer_does() {
    let (_, said) = failing(503, "temporarily_unavailable", || Err("the table is down".into())).await;
    assert!(said.contains("the table is down") && said.contains("issuer_failed"), "{said}");
    let (_, said) = failing(500, "server_error", || Err(BackendError::fault("no such column"))).await;
    assert!(said.contains("no such column"), "{said}");
    let busy = || Err(BackendError::overloaded(Duration::from_secs(7)));
    let (world, _) = failing(503, "temporarily_unavailable", busy).await;
    assert_eq!(world.login("openid").await.header("retry-after"), Some("7"));
    // The password was right, so nothing stays charged, however often that happens.
    for _ in 0..30 {
        world.login("openid").await.assert_error(503, "temporarily_unavailable");
    }
    world.login("read").await.assert_ok();
}

#[tokio::test]
async fn a_panic_is_contained_before_the_future_of_the_claims_and_within_it() {
    let (world, said) = failing(500, "server_error", || panic!("on purpose: {CANARY}")).await;
    assert!(!said.contains(CANARY), "{said}");
    world.login("read").await.assert_ok();

    let issuer = ed().with_id_tokens(|grant| {
        assert!(grant.scope().contains("read"), "on purpose");
        async { Ok(IdClaims::new()) }
    });
    let world = IdWorld::new(issuer);
    world.login("openid").await.assert_error(500, "server_error");
    world.login("openid+read").await.assert_ok();
}

#[tokio::test(start_paused = true)]
async fn claims_that_never_come_answer_503_when_the_time_of_the_issuer_is_over() {
    let world = IdWorld::new(ed().with_id_tokens(|_| pending()));
    world.login("openid").await.assert_error(503, "temporarily_unavailable");
    world.login("read").await.assert_ok();
}

#[tokio::test]
async fn a_refresh_whose_claims_fail_spends_no_refresh_token() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let world = IdWorld::new(ed().with_id_tokens(move |_| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move { if call == 1 { Err(BackendError::unavailable("down")) } else { Ok(IdClaims::new()) } }
    }));
    let login = world.login("openid").await.assert_ok();
    world.refresh(&login, "").await.assert_error(503, "temporarily_unavailable");
    let next = world.refresh(&login, "").await.assert_ok();
    world.id_claims(&next);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_failure_keeps_its_kind_on_the_way_through_an_issuer_around_it() {
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let (heard, issuer) =
        (Arc::clone(&kinds), Arc::new(ed().with_id_tokens(|_| async { Ok(IdClaims::new().claim("sub", 1)?) })));
    let around = issue_fn(move |grant| {
        let (heard, issuer) = (Arc::clone(&heard), Arc::clone(&issuer));
        async move {
            let issued = issuer.issue(grant).await;
            heard.lock().unwrap().extend(issued.as_ref().err().map(BackendError::kind));
            issued
        }
    });
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("openid");
    let clients = StaticClients::new([client.default_scope("openid").build().unwrap()]).unwrap();
    let layer = builder(&Probe::default()).clients(clients).issuer(around);
    login(&layer.build().unwrap()).await.assert_error(500, "server_error");
    assert_eq!(*kinds.lock().unwrap(), [BackendErrorKind::Fault]);
}
