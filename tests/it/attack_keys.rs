//! What a budget is counted on: nothing that the sender may choose, and nothing that a flood can push out (T8-T11, T17).

use std::sync::Arc;

use tower_password_grant::limiter::{Limits, MemoryLimiter};
use tower_password_grant::{Client, StaticClients};

use crate::support::counts::full_or;
use crate::support::guesses::{Bed, assert_denied, assert_throttled, login};
use crate::support::locks::locks;
use crate::support::protection::counted_by;
use crate::support::{AUTH, ManualClock, PW, basic};

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.7";

#[tokio::test]
async fn nothing_that_a_request_adds_gives_it_another_budget_t10_t42_t43() {
    let bed = Bed::new();
    for n in 0..10 {
        let headers = [
            AUTH[0],
            ("x-forwarded-for", &format!("203.0.113.{n}")),
            ("forwarded", &format!("for=203.0.113.{n}")),
            ("x-real-ip", &format!("203.0.113.{n}")),
            ("auth0-forwarded-for", &format!("203.0.113.{n}")),
            ("user-agent", &format!("agent {n}")),
            ("x-request-id", &format!("{n}")),
        ];
        let extra = format!("&realm=r{n}&tenant=t{n}&device_id=d{n}&audience=a{n}&login_hint=l{n}&resource=urn:r{n}");
        let scope = ["", "&scope=read", "&scope=write", "&scope=read+write", "&client_id=conf"][n % 5];
        let body = login("alice", &format!("guess{n}")) + &extra + scope;
        assert_denied(&bed.post_from(HERE, &headers, &body).await);
    }
    assert_throttled(&bed.post_from(HERE, AUTH, PW).await, 900);
}

#[tokio::test]
async fn another_client_of_the_same_realm_is_no_other_budget_t10() {
    let client = |n: usize| {
        Client::public(&format!("c{n}")).allow_password_grant().scopes("read").default_scope("read").build().unwrap()
    };
    let clients = StaticClients::new((0..11).map(client)).unwrap();
    let bed = Bed::with(|builder| builder.clients(clients));
    for n in 0..10 {
        let body = format!("{}&client_id=c{n}", login("alice", &format!("guess{n}")));
        assert_denied(&bed.post_from(HERE, &[], &body).await);
    }
    assert_throttled(&bed.post_from(HERE, &[], &format!("{PW}&client_id=c10")).await, 900);
}

#[tokio::test]
async fn names_and_realms_with_separators_are_not_taken_for_each_other_t9() {
    let client = |id: &str, realm: Option<&str>| {
        let client = Client::public(id).allow_password_grant().scopes("read").default_scope("read");
        realm.into_iter().fold(client, |client, realm| client.realm(realm)).build().unwrap()
    };
    let clients = [client("none", None), client("a", Some("a")), client("ab", Some("a:b")), client("b", Some("b"))];
    let bed = Bed::with(|builder| builder.clients(StaticClients::new(clients).unwrap()));
    let names =
        ["b:c", "c", "a:b:c", "b", "a", "ac", "*", "%", "_", "a*", "a b", "a\tb", "\"", "'", "{a}", "192.0.2.1"];
    for id in ["none", "a", "ab", "b"] {
        for name in names {
            for guess in 0..3 {
                let body = format!("{}&client_id={id}", login(name, &format!("guess{guess}")));
                assert_denied(&bed.post_from(THERE, &[], &body).await);
            }
        }
    }
    // Each of them has seven left, so that no two can have shared a budget of ten.
    for (id, name) in [("none", "b:c"), ("a", "b:c"), ("ab", "c"), ("b", "*")] {
        for guess in 3..10 {
            let body = format!("{}&client_id={id}", login(name, &format!("guess{guess}")));
            assert_denied(&bed.post_from(THERE, &[], &body).await);
        }
        assert_throttled(&bed.post_from(THERE, &[], &format!("{}&client_id={id}", login(name, "x"))).await, 900);
    }
}

#[tokio::test]
async fn an_account_and_a_client_of_one_name_have_budgets_of_their_own_t9() {
    let bed = Bed::new();
    let header = |secret: &str| basic("conf", secret);
    for guess in 0..10 {
        let header = header(&format!("guess{guess}"));
        bed.post_from(HERE, &[("authorization", &header)], PW).await.assert_error(401, "invalid_client");
    }
    for guess in 0..10 {
        let body = login("conf", &format!("guess{guess}")) + "&client_id=pub";
        assert_denied(&bed.post_from(HERE, &[], &body).await);
    }
    assert_throttled(&bed.post_from(HERE, &[], &(login("conf", "x") + "&client_id=pub")).await, 900);
}

#[tokio::test]
async fn no_flood_of_names_and_addresses_pushes_a_lock_out_t11() {
    let clock = ManualClock::new();
    let limiter = Arc::new(
        MemoryLimiter::new().with_limits(Limits::new().with_capacity(1024)).with_clock(Arc::new(clock.clone())),
    );
    let given = Arc::clone(&limiter);
    let bed = Bed::on(clock, |builder| builder.attack_protection(counted_by(given)));
    for guess in 0..10 {
        assert_denied(&bed.try_from(HERE, "alice", &format!("guess{guess}")).await);
    }
    for n in 0..u32::try_from(full_or(20_000, 5_000)).unwrap() {
        let [_, a, b, c] = n.to_be_bytes();
        bed.try_from(&format!("198.{}.{b}.{c}", 18 + a), &format!("name{n}"), "x").await;
    }
    assert_throttled(&bed.try_from(HERE, "alice", "correct horse").await, 900);
    assert!(locks(&*limiter).await.iter().any(|lock| lock.address == HERE.parse().ok()));
}
