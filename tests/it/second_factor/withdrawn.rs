//! What is taken away between the steps: a grant, a realm, a scope, a client, the time until its end date. Nothing is spent by it.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::limiter::MemoryLimiter;
use tower_password_grant::mfa::{Channel, DeliveryStatus, Factors};
use tower_password_grant::store::MemoryFactors;
use tower_password_grant::user::SecretKeys;
use tower_password_grant::{Client, StaticClients};

use super::flow::open;
use super::ways::text;
use crate::support::factors::{self, AUDIENCE, FORM, FactorBed, Outbox, People, request};
use crate::support::protection::counted_by;
use crate::support::{Answer, ManualClock};

const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";

/// What is the same before and after the operator has changed a client.
struct Parts {
    store: Arc<MemoryFactors>,
    limiter: Arc<MemoryLimiter>,
    people: People,
    outbox: Outbox,
    clock: ManualClock,
}

impl Parts {
    fn new() -> Self {
        let (store, limiter) = (Arc::default(), Arc::default());
        Self { store, limiter, people: People::default(), outbox: Outbox::default(), clock: ManualClock::new() }
    }

    /// The service with these clients.
    fn service(&self, clients: impl IntoIterator<Item = Client>) -> FactorBed {
        let Self { store, limiter, people, outbox, clock } = self;
        let keys = SecretKeys::new("2026-11", [7; 32]).unwrap();
        let factors = Factors::new(Arc::clone(store), keys).totp("Example Bank").deliver(Channel::Push, outbox.clone());
        let bed = FactorBed::with(
            |_| factors,
            |builder| {
                builder
                    .clients(StaticClients::new(clients).unwrap())
                    .verifier(people.clone())
                    .attack_protection(counted_by(Arc::clone(limiter)))
                    .clock(clock.clone())
            },
        );
        FactorBed { people: people.clone(), outbox: outbox.clone(), clock: clock.clone(), ..bed }
    }

    /// The service with this client changed, or gone.
    fn changed(&self, id: &str, change: impl Fn(ClientBuilder) -> Option<ClientBuilder>) -> FactorBed {
        let clients = factors::clients().into_iter().filter_map(|client| {
            if client.id().as_str() == id { Some(change(client.to_builder())?.build().unwrap()) } else { Some(client) }
        });
        self.service(clients.collect::<Vec<_>>())
    }
}

async fn redeem(bed: &FactorBed, client: &str, token: &str, code: &str) -> Answer {
    bed.token(&format!("client_id={client}&grant_type={OTP}&mfa_token={token}&otp={code}")).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (status, &json!(code)), "{answer:?}");
    assert!(answer.json().get("access_token").is_none() && answer.json().get("mfa_token").is_none());
}

/// Takes something away of a client.
type Change = fn(ClientBuilder) -> Option<ClientBuilder>;

#[tokio::test]
async fn a_client_that_lost_a_right_between_the_steps_finishes_nothing_and_spends_nothing() {
    let parts = Parts::new();
    let before = parts.service(factors::clients());
    let secret = before.enrolled("alice").await;
    let ended = Sunset::at(parts.clock.now() - Duration::from_secs(1));
    let cases: [(&str, Option<Change>, &str); 5] = [
        ("the grant of the code", Some(|client| Some(client.remove_grant(OTP))), "unauthorized_client"),
        (
            "the grant that the login began by",
            Some(|client| Some(client.remove_grant("password"))),
            "unauthorized_client",
        ),
        ("the scope", Some(|client| Some(client.remove_scope("transfer"))), "invalid_scope"),
        ("all of it", Some(|_| None), "invalid_client"),
        ("its time", None, "unauthorized_client"),
    ];
    for (what, change, error) in cases {
        let token = open(&before.login("alice", "scope=transfer").await);
        let code = before.code(&secret);
        let after = match change {
            Some(change) => parts.changed("app", change),
            None => parts.changed("app", |client| Some(client.sunset(ended.clone()))),
        };
        let answer = redeem(&after, "app", &token, &code).await;
        assert_eq!(&answer.json()["error"], error, "{what}: {answer:?}");
        refused(&answer, 400, error);
        // Given back, the same code finishes it.
        redeem(&before, "app", &token, &code).await.assert_ok();
        parts.clock.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_client_that_lost_its_second_factors_between_the_steps_chooses_and_manages_none() {
    let parts = Parts::new();
    let before = parts.service(factors::clients());
    before.enrolled("alice").await;
    let (token, strong) = (open(&before.login("alice", "").await), before.strong("alice").await);
    let after = parts.changed("app", |client| {
        let none = ["mfa-otp", "mfa-oob", "mfa-recovery-code"];
        let grant = |name: &str| format!("http://auth0.com/oauth/grant-type/{name}");
        Some(none.into_iter().fold(client, |client, name| client.remove_grant(&grant(name))))
    });
    refused(&after.challenge(&token, &json!({ "challenge_type": "otp" })).await, 400, "unauthorized_client");
    for bearer in [&token, &strong] {
        refused(&after.list(bearer).await, 401, "invalid_token");
        refused(&after.associate(bearer, &json!({ "authenticator_types": ["otp"] })).await, 401, "invalid_token");
        refused(&after.remove(bearer, "totp%7Cdev_AAAAAAAAAAAAAAAAAAAAAA").await, 401, "invalid_token");
    }
    assert_eq!(before.list(&token).await.status, 200);
}

#[tokio::test]
async fn a_client_that_lost_a_realm_between_the_steps_finishes_no_login_of_it() {
    let parts = Parts::new();
    let before = parts.service(factors::clients());
    let login = |more: &str| {
        format!("client_id=staff&grant_type=password&username=alice&password=correct+horse&realm=two{more}")
    };
    let scope = format!("&audience={AUDIENCE}&scope=enroll+read:authenticators");
    let bearer = text(&before.token(&login(&scope)).await.assert_ok(), "access_token");
    let (secret, json) = before.enrol_app(&bearer).await;
    redeem(&before, "staff", &text(&json, "mfa_token"), &before.code(&secret)).await.assert_ok();
    parts.clock.advance(Duration::from_secs(30));
    let (token, code) = (open(&before.token(&login("")).await), before.code(&secret));

    let after = parts.changed("staff", |client| Some(client.realms(["one", "three"])));
    let answer = redeem(&after, "staff", &token, &code).await;
    refused(&answer, 400, "invalid_grant");
    assert_eq!(answer.json()["error_description"], "Malformed mfa_token");
    let form = format!("client_id=staff&mfa_token={token}&challenge_type=otp");
    refused(&after.send(request(Method::POST, "/mfa/challenge", &[FORM], &form)).await, 400, "invalid_grant");
    for bearer in [&token, &bearer] {
        refused(&after.list(bearer).await, 401, "invalid_token");
    }
    redeem(&before, "staff", &token, &code).await.assert_ok();
}

#[tokio::test]
async fn a_right_and_a_user_are_looked_at_again_at_each_poll() {
    let parts = Parts::new();
    let before = parts.service(factors::clients());
    before.reached_by("alice", Channel::Push).await;
    let token = before.left_open("alice").await;
    let asked = before.sent(&token).await;
    let after = parts.changed("app", |client| Some(client.remove_grant(OOB)));
    refused(&before.redeem_oob(&token, &asked, None).await, 400, "authorization_pending");
    parts.clock.advance(Duration::from_secs(5));
    parts.outbox.answer(DeliveryStatus::Approved);
    refused(&after.redeem_oob(&token, &asked, None).await, 400, "unauthorized_client");
    parts.people.lock("alice");
    refused(&before.redeem_oob(&token, &asked, None).await, 400, "invalid_grant");
}
