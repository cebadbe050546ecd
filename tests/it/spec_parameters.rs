//! The token endpoint and its parameters (RFC 6749 section 3.2).

use http::Method;
use tower_password_grant::IssuedTokens;
use tower_password_grant::mount::{SecureTransport, TransportSecurity};
use tower_password_grant::token::{MemberError, Token};

use crate::support::{self, AUTH, Answer, Fixture, PW, from_peer, pw, token_request};

async fn at(fixture: &Fixture, uri: &str, body: &str) -> Answer {
    let mut request = token_request(AUTH, body);
    *request.uri_mut() = uri.parse().unwrap();
    fixture.send(request).await
}

#[tokio::test]
pub async fn only_post_is_answered_te_01() {
    let fixture = Fixture::new();
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let mut request = token_request(AUTH, PW);
        *request.method_mut() = method;
        let answer = fixture.send(request).await;
        answer.assert_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn a_parameter_without_a_value_is_as_if_absent_te_02() {
    let fixture = Fixture::new();
    for empty in ["scope=", "scope", "audience=", "client_id=", "client_secret=", "refresh_token="] {
        assert_eq!(fixture.token(AUTH, &pw(empty)).await.assert_ok()["scope"], "read");
    }
    let calls = fixture.probe.calls();
    for body in [
        "grant_type=password&username=&password=x",
        "grant_type=password&username=alice&password=",
        "grant_type=&username=alice&password=correct+horse",
        "",
    ] {
        fixture.token(AUTH, body).await.assert_error_about(400, "invalid_request", "missing");
    }
    assert_eq!(fixture.probe.calls(), calls);
}

#[tokio::test]
pub async fn unknown_parameters_are_ignored_te_03() {
    Fixture::new().token(AUTH, &pw("foo=bar&audience=x&device=1&=nameless")).await.assert_ok();
}

#[tokio::test]
pub async fn a_repeated_recognised_parameter_is_refused_te_04() {
    let fixture = Fixture::new();
    let names = "grant_type username password scope client_id client_secret refresh_token client_assertion \
                 client_assertion_type";
    for name in names.split(' ') {
        for (one, two) in [("x", "x"), ("x", "y"), ("", "x"), ("x", ""), ("", "")] {
            let answer = fixture.token(AUTH, &format!("{name}={one}&{name}={two}")).await;
            answer.assert_error_about(400, "invalid_request", "repeated");
        }
    }
    for parameter in PW.split('&') {
        fixture.token(AUTH, &pw(parameter)).await.assert_error_about(400, "invalid_request", "repeated");
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn repetition_is_judged_on_decoded_names_te_05() {
    let fixture = Fixture::new();
    let answer = fixture.token(AUTH, &pw("user%6Eame=bob")).await;
    answer.assert_error_about(400, "invalid_request", "repeated");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn unknown_names_and_resource_may_repeat_but_an_empty_and_a_filled_value_are_a_repeat_te_06() {
    let fixture = Fixture::new();
    fixture.token(AUTH, &pw("foo=1&foo=2&resource=a&resource=b")).await.assert_ok();
    fixture.token(AUTH, &pw("scope=&scope=read")).await.assert_error_about(400, "invalid_request", "repeated");
}

#[tokio::test]
pub async fn the_uri_may_have_a_query_but_grant_parameters_are_read_from_the_body_only_te_07() {
    let fixture = Fixture::new();
    at(&fixture, "/oauth/token?tenant=a", PW).await.assert_ok();
    // A scope in the query does not count either.
    assert_eq!(at(&fixture, "/oauth/token?scope=write", PW).await.assert_ok()["scope"], "read");
    let calls = fixture.probe.calls();
    let answer = at(&fixture, "/oauth/token?grant_type=password", "username=alice&password=correct+horse").await;
    answer.assert_error_about(400, "invalid_request", "missing");
    assert_eq!(fixture.probe.calls(), calls);
}

#[tokio::test]
pub async fn credentials_in_the_query_are_refused_te_08() {
    let fixture = Fixture::new();
    for name in ["password", "refresh_token", "username", "client_assertion", "client_secret", "pass%77ord"] {
        let answer = at(&fixture, &format!("/oauth/token?tenant=a&{name}=canary"), PW).await;
        answer.assert_error_about(400, "invalid_request", "query");
        assert!(!format!("{answer:?}").contains("canary"));
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn a_missing_grant_type_is_invalid_and_an_unknown_one_unsupported_te_09_ab_04_er_06() {
    let fixture = Fixture::new();
    let rest = "username=alice&password=correct+horse";
    fixture.token(AUTH, rest).await.assert_error_about(400, "invalid_request", "missing");
    for grant in ["foo", "Password", "PASSWORD", "pass+word", "password+", "urn:x:y", "refresh_token", "%00", "%C3%A9"]
    {
        let answer = fixture.token(AUTH, &format!("grant_type={grant}&{rest}")).await;
        answer.assert_error(400, "unsupported_grant_type");
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn parameter_names_are_case_sensitive_te_10() {
    let fixture = Fixture::new();
    let answer = fixture.token(AUTH, "Grant_Type=password&username=alice&password=correct+horse").await;
    answer.assert_error_about(400, "invalid_request", "missing");
    let answer = fixture.token(AUTH, "grant_type=password&Username=alice&password=correct+horse").await;
    answer.assert_error_about(400, "invalid_request", "missing");
}

#[tokio::test]
pub async fn extras_of_the_issuer_never_make_a_member_stand_twice_te_11() {
    let issued = || IssuedTokens::bearer(Token::new("t".to_owned()), std::time::Duration::from_secs(60));
    for name in ["scope", "expires_in", "access_token", "token_type", "refresh_token", "error"] {
        assert_eq!(issued().with_extra(name, "x").unwrap_err(), MemberError::Reserved);
    }
    let probe = support::Probe::default();
    let issuer = tower_password_grant::issue_fn(move |_| async move {
        let tokens = IssuedTokens::bearer(Token::random("at_")?, std::time::Duration::from_secs(60));
        Ok(tokens.with_extra("tenant", "old")?.with_extra("tenant", "new")?)
    });
    let layer = support::builder(&probe).issuer(issuer).build().unwrap();
    let answer = support::send(&layer, token_request(AUTH, PW)).await;
    assert_eq!(answer.assert_ok()["tenant"], "new");
    assert_eq!(std::str::from_utf8(&answer.body).unwrap().matches("tenant").count(), 1);
}

#[tokio::test]
pub async fn requests_without_tls_are_refused_where_it_is_enforced_te_12() {
    let fixture = Fixture::with(|builder| builder.transport_security(TransportSecurity::marked()));
    fixture.token(AUTH, PW).await.assert_error_about(400, "invalid_request", "TLS");
    // A header alone proves nothing.
    let headers = [AUTH[0], ("x-forwarded-proto", "https")];
    fixture.token(&headers, PW).await.assert_error_about(400, "invalid_request", "TLS");
    assert_eq!(fixture.probe.calls(), 0);
    let mut request = token_request(AUTH, PW);
    request.extensions_mut().insert(SecureTransport);
    fixture.send(request).await.assert_ok();
}

#[tokio::test]
pub async fn the_word_of_a_proxy_counts_only_from_the_proxies_te_12_ht_25() {
    let policy = TransportSecurity::forwarded_by(["10.0.0.0/8".parse().unwrap()]);
    let fixture = Fixture::with(|builder| builder.transport_security(policy));
    for (peer, proto, fine) in [
        ("10.1.2.3", "https", true),
        ("::ffff:10.1.2.3", "HTTPS", true),
        ("10.1.2.3", "http, https", true),
        ("10.1.2.3", "https, http", false),
        ("10.1.2.3", "http", false),
        ("192.0.2.1", "https", false),
    ] {
        let headers = [AUTH[0], ("x-forwarded-proto", proto)];
        let answer = fixture.send(from_peer(token_request(&headers, PW), peer)).await;
        if fine {
            answer.assert_ok();
        } else {
            answer.assert_error_about(400, "invalid_request", "TLS");
        }
    }
}
