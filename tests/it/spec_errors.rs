//! The error response (RFC 6749 section 5.2).

use http::{HeaderMap, Method};
use tower_password_grant::user::HostCode;
use tower_password_grant::{
    BackendError, ConfigError, Denial, Grant, IssuedTokens, PasswordGrantLayer, find_client_fn, issue_fn, verify_fn,
};

use crate::support::{self, AUTH, Answer, Fixture, PW, Probe, builder, pw, send, token_request};

const CANARY: &str = "c4n4ry";

fn failing_issuer(fail: fn() -> BackendError) -> PasswordGrantLayer {
    let issuer = issue_fn(move |_: Grant| async move { Err::<IssuedTokens, _>(fail()) });
    builder(&Probe::default()).issuer(issuer).build().unwrap()
}

/// Every failure that a request can have by itself.
async fn failures(fixture: &Fixture) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut requests = vec![
        token_request(&[], PW),
        token_request(&[("authorization", "Bearer x")], PW),
        token_request(AUTH, ""),
        token_request(AUTH, "%zz"),
        token_request(AUTH, &pw("username=x")),
        token_request(AUTH, &pw("scope=admin")),
        token_request(AUTH, &pw("client_secret=x")),
        token_request(AUTH, "grant_type=foo"),
        token_request(AUTH, "grant_type=password&username=alice&password=x"),
        token_request(&[], &pw("client_id=conf")),
        token_request(&[("content-type", "application/json")], "{}"),
        token_request(&[("content-encoding", "gzip")], PW),
        token_request(&[("content-length", "10000000")], PW),
        token_request(&[("origin", "https://evil.example")], PW),
        token_request(&[("authorization", &support::basic("svc", "svcpw"))], PW),
    ];
    let mut get = token_request(AUTH, PW);
    *get.method_mut() = Method::GET;
    requests.push(get);
    for request in requests {
        answers.push(fixture.send(request).await);
    }
    answers
}

#[tokio::test]
async fn every_failure_is_one_json_object_of_the_same_form_er_01_er_08_er_11_er_15_ht_24_ht_28() {
    // `Fixture::send` runs the shared assertions on each.
    for answer in failures(&Fixture::new()).await {
        assert!(answer.status.is_client_error());
        let json = answer.json();
        let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["error", "error_description"], "{answer:?}");
    }
}

#[tokio::test]
async fn request_data_is_never_echoed_er_10() {
    let fixture = Fixture::new();
    let fields = "grant_type username password scope client_id client_secret foo".split(' ');
    for field in fields {
        for headers in [AUTH, &[]] {
            let answer = fixture.token(headers, &format!("{field}={CANARY}%3Cscript%3E")).await;
            let shown = format!("{answer:?}");
            assert!(answer.status.is_client_error());
            assert!(!shown.contains(CANARY) && !shown.contains("<script"), "{shown}");
        }
    }
    let answer = fixture.token(&[("authorization", &support::basic(CANARY, CANARY))], PW).await;
    assert!(!format!("{answer:?}").contains(CANARY));
}

#[tokio::test]
async fn inner_errors_are_never_echoed_er_10_er_13() {
    let probe = Probe::default();
    let layers = [
        builder(&probe).verifier(verify_fn(|_| async { Err(BackendError::unavailable(CANARY)) })).build().unwrap(),
        builder(&probe).clients(find_client_fn(|_| async { Err(BackendError::unavailable(CANARY)) })).build().unwrap(),
        failing_issuer(|| BackendError::unavailable(CANARY)),
    ];
    for layer in layers {
        let answer = send(&layer, token_request(AUTH, PW)).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert!(!format!("{answer:?}").contains(CANARY));
    }
}

#[tokio::test]
async fn a_fault_is_500_and_a_failing_dependency_503_er_13() {
    send(&failing_issuer(|| BackendError::fault("bug")), token_request(AUTH, PW))
        .await
        .assert_error(500, "server_error");
    let answer = send(&failing_issuer(|| std::io::Error::other("down").into()), token_request(AUTH, PW)).await;
    answer.assert_error(503, "temporarily_unavailable");
    let wait = || BackendError::unavailable("down").with_retry_after(std::time::Duration::from_secs(17));
    let answer = send(&failing_issuer(wait), token_request(AUTH, PW)).await;
    assert_eq!(answer.header("retry-after"), Some("17"));
}

#[tokio::test]
async fn a_failing_issuer_loses_no_attempt_er_13_er_14() {
    let layer = failing_issuer(|| BackendError::unavailable("down"));
    for _ in 0..30 {
        send(&layer, token_request(AUTH, PW)).await.assert_error(503, "temporarily_unavailable");
    }
}

#[tokio::test]
async fn error_uri_is_a_legal_uri_and_sent_with_every_error_er_09() {
    for bad in ["https://x/a b", "https://x/\"", "https://x/\\", "", "https://x/\u{e9}"] {
        let built = builder(&Probe::default()).error_uri(bad).build();
        assert!(matches!(built, Err(ConfigError::ErrorUri)), "{bad}");
    }
    let uri = "https://docs.example/errors?v=1";
    for answer in failures(&Fixture::with(|builder| builder.error_uri(uri))).await {
        assert_eq!(answer.json()["error_uri"], uri);
    }
    let json = Fixture::with(|builder| builder.error_uri(uri)).token(AUTH, PW).await.assert_ok();
    assert!(json.get("error_uri").is_none());
}

fn custom_denial(reveal: bool, code: HostCode) -> PasswordGrantLayer {
    let verifier = verify_fn(move |_| std::future::ready(Ok(Denial::Custom(code.clone()).into())));
    let builder = builder(&Probe::default()).verifier(verifier);
    let builder = if reveal { builder.danger(|danger| danger.reveal_custom_denials()) } else { builder };
    builder.build().unwrap()
}

#[tokio::test]
async fn a_code_of_ones_own_is_shown_only_when_the_danger_section_says_so_er_12_pw_15() {
    let code = || HostCode::new("company_locked", "the account is closed until Monday").unwrap();
    let hidden = send(&custom_denial(false, code()), token_request(AUTH, PW)).await;
    hidden.assert_error(400, "invalid_grant");
    let plain = Fixture::new().token(AUTH, "grant_type=password&username=alice&password=x").await;
    assert_eq!((hidden.headers, hidden.body), (plain.headers, plain.body));
    let shown = send(&custom_denial(true, code()), token_request(AUTH, PW)).await;
    shown.assert_error_about(400, "company_locked", "closed until Monday");
    let silent = HostCode::new("company_locked", "").unwrap();
    let shown = send(&custom_denial(true, silent), token_request(AUTH, PW)).await;
    assert_eq!(shown.json(), serde_json::json!({ "error": "company_locked" }));
}

#[tokio::test]
async fn other_denials_stay_plain_even_when_custom_ones_are_shown_pw_05_pw_15() {
    let verifier = verify_fn(|_| async { Ok(Denial::Locked.into()) });
    let builder = builder(&Probe::default()).verifier(verifier).danger(|danger| danger.reveal_custom_denials());
    send(&builder.build().unwrap(), token_request(AUTH, PW)).await.assert_error(400, "invalid_grant");
}

#[test]
fn codes_of_ones_own_are_held_to_the_grammar_er_08_er_12() {
    for bad in ["b\"d", "a\\c", "a\nb", "\u{e9}", "", "a\tb", "a\u{7f}"] {
        assert!(HostCode::new(bad, "").is_err(), "{bad:?}");
        assert!(bad.is_empty() || HostCode::new("fine", bad).is_err(), "{bad:?}");
    }
    assert_eq!(HostCode::new("company_locked", "fine").unwrap().code(), "company_locked");
    for bad in ["a\"b", "a\\b", "a\nb", "\u{e9}"] {
        let built = builder(&Probe::default()).challenge_realm(bad).build();
        assert!(matches!(built, Err(ConfigError::ChallengeRealm)), "{bad:?}");
    }
}

#[tokio::test]
async fn client_errors_carry_no_challenge_unless_they_are_401_er_11() {
    for answer in failures(&Fixture::new()).await {
        let challenges: Vec<_> = HeaderMap::get_all(&answer.headers, "www-authenticate").iter().collect();
        assert_eq!(challenges.len(), usize::from(answer.status == 401));
        assert!(challenges.iter().all(|challenge| challenge.as_bytes().starts_with(b"Basic realm=")));
    }
}
