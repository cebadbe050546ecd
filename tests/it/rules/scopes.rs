//! Scopes and lifetimes that rules change, within what client, endpoint and verifier allow.

use std::time::Duration;

use tower_password_grant::rules::{LoginRule, Ruling};
use tower_password_grant::token::MissingScope;
use tower_password_grant::{Client, StaticClients, Subject, Verdict, verify_fn};

use super::parts::ruling;
use crate::support::{AUTH, FixtureBuilder, PW, Probe, builder, digest, send, token_request};

/// The scope of an answer, for a client that may have all of `read write admin` and asks for `asked`, under rules.
async fn granted(asked: &str, allowed: &'static str, change: fn(FixtureBuilder) -> FixtureBuilder) -> String {
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("admin read write");
    let layer = change(builder(&Probe::default()))
        .clients(StaticClients::new([client.build().unwrap()]).unwrap())
        .verifier(verify_fn(move |_| async move {
            Ok(Verdict::granted_within(Subject::new("user-7"), allowed.parse().unwrap()))
        }))
        .build()
        .unwrap();
    let answer = send(&layer, token_request(AUTH, &format!("{PW}&scope={asked}"))).await;
    answer.json()["scope"].as_str().map_or_else(|| answer.json()["error"].to_string(), str::to_owned)
}

const ALL: &str = "admin other read write";

#[tokio::test]
async fn a_rule_takes_scopes_away_and_adds_what_client_endpoint_and_verifier_allow() {
    let removes = |b: FixtureBuilder| b.rule(ruling("a", |_| Ruling::proceed().remove_scope("write admin")));
    assert_eq!(granted("read+write", ALL, removes).await, "read");
    let adds = |b: FixtureBuilder| b.rule(ruling("a", |_| Ruling::proceed().add_scope("admin other")));
    assert_eq!(granted("read", ALL, adds).await, "admin read");
    // What the verifier does not allow this user, and what the endpoint never gives.
    assert_eq!(granted("read", "read write", adds).await, "read");
    let capped = |b: FixtureBuilder| {
        b.scope_ceiling("read write").rule(ruling("a", |_| Ruling::proceed().add_scope("admin write")))
    };
    assert_eq!(granted("read", ALL, capped).await, "read write");
}

#[tokio::test]
async fn what_one_rule_takes_away_no_other_gives_back_whatever_their_order() {
    let layers: [fn(FixtureBuilder) -> FixtureBuilder; 3] = [
        |b| b.rule(takes()).rule(gives()),
        |b| b.rule(gives()).rule(takes()),
        |b| b.rule(ruling("both", |_| Ruling::proceed().remove_scope("admin").add_scope("admin write"))),
    ];
    for change in layers {
        assert_eq!(granted("read+admin", ALL, change).await, "read write");
    }
}

fn takes() -> impl LoginRule {
    ruling("takes", |_| Ruling::proceed().remove_scope("admin"))
}

fn gives() -> impl LoginRule {
    ruling("gives", |_| Ruling::proceed().add_scope("admin write"))
}

#[tokio::test]
async fn where_rules_leave_nothing_of_a_scope_the_request_is_refused_but_not_in_scopeless_mode() {
    let removes = |b: FixtureBuilder| b.rule(ruling("a", |_| Ruling::proceed().remove_scope("read")));
    assert_eq!(granted("read", ALL, removes).await, "\"invalid_scope\"");
    let replaces = |b: FixtureBuilder| {
        b.rule(ruling("a", |_| Ruling::proceed().remove_scope("read")))
            .rule(ruling("b", |_| Ruling::proceed().add_scope("write")))
    };
    assert_eq!(granted("read", ALL, replaces).await, "write");

    let scopeless = builder(&Probe::default())
        .missing_scope(MissingScope::Scopeless)
        .rule(ruling("a", |_| Ruling::proceed().remove_scope("read")))
        .build()
        .unwrap();
    let json = send(&scopeless, token_request(AUTH, PW)).await.assert_ok();
    assert!(json.get("scope").is_none(), "{json}");
}

#[tokio::test]
async fn a_lifetime_only_gets_shorter() {
    let lives = async |seconds: [u64; 2]| {
        let [one, other] = seconds
            .map(|seconds| move |_: &_| Ruling::proceed().shorten_lifetime(Duration::from_secs(seconds)).unwrap());
        let builder = builder(&Probe::default()).access_token_lifetime(Duration::from_secs(600));
        let layer = builder.rule(ruling("one", one)).rule(ruling("other", other)).build().unwrap();
        send(&layer, token_request(AUTH, PW)).await.assert_ok()["expires_in"].as_u64().unwrap()
    };
    assert_eq!(lives([60, 300]).await, 60);
    assert_eq!(lives([300, 60]).await, 60);
    assert_eq!(lives([7200, 9000]).await, 600);
}
