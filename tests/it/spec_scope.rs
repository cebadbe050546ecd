//! Scope (RFC 6749 section 3.3).

use proptest::prelude::*;
use tower_password_grant::token::MissingScope;
use tower_password_grant::{Client, ConfigError, Scope, StaticClients, Subject, Verdict, verify_fn};

use crate::support::{AUTH, Fixture, PW, Probe, builder, digest, pw, send, token_request};

/// The answer's scope; `Err` with the code of a refusal.
async fn granted(fixture: &Fixture, parameter: &str) -> Result<String, String> {
    let answer = fixture.token(AUTH, &pw(parameter)).await;
    match answer.status.as_u16() {
        200 => Ok(answer.assert_ok()["scope"].as_str().unwrap().to_owned()),
        status => {
            assert_eq!(status, 400);
            Err(answer.json()["error"].as_str().unwrap().to_owned())
        }
    }
}

fn without_default() -> StaticClients {
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("read write");
    StaticClients::new([client.build().unwrap()]).unwrap()
}

fn invalid() -> Result<String, String> {
    Err("invalid_scope".to_owned())
}

#[tokio::test]
async fn order_is_irrelevant_repeats_collapse_and_case_counts_sc_01() {
    let fixture = Fixture::new();
    let both = granted(&fixture, "scope=read+write").await;
    assert!(both.is_ok());
    assert_eq!(granted(&fixture, "scope=write+read").await, both);
    assert_eq!(granted(&fixture, "scope=read+read").await.unwrap(), "read");
    assert_eq!(granted(&fixture, "scope=Read").await, invalid());
}

#[tokio::test]
async fn only_nqchar_tokens_with_single_spaces_are_a_scope_sc_02_sc_03_er_07() {
    let fixture = Fixture::new();
    for scope in
        ["re%22ad", "re%5Cad", "re%09ad", "r%C3%A9ad", "re%7Fad", "read%0A", "+read", "read+", "read++write", "+"]
    {
        assert_eq!(granted(&fixture, &format!("scope={scope}")).await, invalid(), "{scope}");
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn what_the_policy_grants_is_reported_sc_04() {
    let probe = Probe::default();
    let verifier =
        verify_fn(|_| async { Ok(Verdict::granted_within(Subject::new("user-1"), "read admin".parse().unwrap())) });
    let layer = builder(&probe).verifier(verifier).build().unwrap();
    let answer = send(&layer, token_request(AUTH, &pw("scope=read+write"))).await;
    assert_eq!(answer.assert_ok()["scope"], "read");
}

/// The default of the endpoint.
fn missing(scope: &str) -> MissingScope {
    MissingScope::Default(scope.parse().unwrap())
}

#[tokio::test]
async fn a_default_that_is_applied_is_reported_sc_05() {
    assert_eq!(granted(&Fixture::new(), "").await.unwrap(), "read");
    // The endpoint's own default, as far as the client is registered for it.
    let fixture = Fixture::with(|builder| builder.clients(without_default()).missing_scope(missing("write admin")));
    assert_eq!(granted(&fixture, "").await.unwrap(), "write");
}

#[tokio::test]
async fn no_scope_and_no_default_is_invalid_scope_sc_06() {
    for fixture in [
        Fixture::with(|builder| builder.clients(without_default())),
        Fixture::with(|builder| builder.clients(without_default()).missing_scope(missing("admin"))),
        Fixture::with(|builder| builder.missing_scope(MissingScope::Refuse)),
    ] {
        assert_eq!(granted(&fixture, "").await, invalid());
        assert_eq!(granted(&fixture, "scope=").await, invalid());
        let told = fixture.token(AUTH, &pw("")).await.json()["error_description"].to_string();
        assert!(told.contains("the scope is missing"), "{told}");
        assert_eq!(fixture.probe.calls(), 0);
        assert_eq!(granted(&fixture, "scope=write").await.unwrap(), "write");
    }
}

#[tokio::test]
async fn an_unknown_or_unregistered_scope_is_an_error_not_silently_dropped_sc_07() {
    let fixture = Fixture::new();
    for scope in ["admin", "read+admin"] {
        assert_eq!(granted(&fixture, &format!("scope={scope}")).await, invalid());
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn an_empty_grant_is_refused_and_an_empty_scope_never_sent_sc_09() {
    let probe = Probe::default();
    let nothing = || verify_fn(|_| async { Ok(Verdict::granted_within(Subject::new("user-1"), Scope::default())) });
    let layer = builder(&probe).verifier(nothing()).build().unwrap();
    send(&layer, token_request(AUTH, PW)).await.assert_error(400, "invalid_scope");
    let layer = builder(&probe).verifier(nothing()).missing_scope(MissingScope::Scopeless).build().unwrap();
    let answer = send(&layer, token_request(AUTH, PW)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json().get("scope").is_none());
}

#[tokio::test]
async fn scopeless_mode_leaves_the_member_out_and_still_grants_what_is_asked_sc_09() {
    let fixture = Fixture::with(|builder| builder.missing_scope(MissingScope::Scopeless));
    let answer = fixture.token(AUTH, PW).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json().get("scope").is_none());
    assert_eq!(granted(&fixture, "scope=read").await.unwrap(), "read");
}

#[tokio::test]
async fn openid_has_no_special_meaning_sc_10() {
    assert_eq!(granted(&Fixture::new(), "scope=openid").await, invalid());
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("openid");
    let fixture = Fixture::with(|builder| builder.clients(StaticClients::new([client.build().unwrap()]).unwrap()));
    let json = fixture.token(AUTH, &pw("scope=openid")).await.assert_ok();
    assert_eq!(json["scope"], "openid");
    assert!(json.get("id_token").is_none());
}

#[test]
fn a_malformed_ceiling_is_refused_at_build_sc_03() {
    let probe = Probe::default();
    assert!(matches!(builder(&probe).scope_ceiling("a  b").build(), Err(ConfigError::Scope(..))));
    assert!(matches!(builder(&probe).scope_ceiling("").build(), Err(ConfigError::Scope(..))));
}

fn scopes() -> impl Strategy<Value = String> {
    proptest::collection::btree_set("[a-e]", 1..5).prop_map(|set| set.into_iter().collect::<Vec<_>>().join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_the_policies_are_no_more_is_granted_than_asked_registered_and_allowed_sc_08(
        registered in scopes(),
        asked in scopes(),
        allowed in scopes(),
        ceiling in scopes(),
    ) {
        let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes(&registered);
        let within: Scope = allowed.parse().unwrap();
        let user = within.clone();
        let verifier = verify_fn(move |_| {
            let verdict = Verdict::granted_within(Subject::new("user-1"), user.clone());
            async move { Ok(verdict) }
        });
        let probe = Probe::default();
        let layer = builder(&probe)
            .clients(StaticClients::new([client.build().unwrap()]).unwrap())
            .verifier(verifier)
            .scope_ceiling(ceiling.clone())
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = pw(&format!("scope={}", asked.replace(' ', "+")));
        let answer = runtime.block_on(send(&layer, token_request(AUTH, &body)));

        let (registered, asked): (Scope, Scope) = (registered.parse().unwrap(), asked.parse().unwrap());
        let ceiling: Scope = ceiling.parse().unwrap();
        let expected = asked.intersection(&within).intersection(&ceiling);
        if asked.is_subset(&registered) && !expected.is_empty() {
            let json = answer.assert_ok();
            prop_assert_eq!(json["scope"].as_str().unwrap(), expected.as_str());
        } else {
            answer.assert_error(400, "invalid_scope");
        }
    }
}
