//! Client authentication (RFC 6749 sections 2.3 and 3.2.1).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_password_grant::audit::AuditEvent;
use tower_password_grant::client::{ClientAuthentication, ClientBuilder};
use tower_password_grant::{Client, StaticClients};

use crate::support::{
    self, AUTH, CONF, FIRST_LOCK, Fixture, ManualClock, PW, basic, builder, digest, from_peer, pw, token_request,
};

const WRONG: &str = "Basic Y29uZjp3cm9uZw==";

fn registry(clients: impl IntoIterator<Item = ClientBuilder>) -> StaticClients {
    let full = |client: ClientBuilder| {
        client.allow_password_grant().scopes("read write").default_scope("read").build().unwrap()
    };
    StaticClients::new(clients.into_iter().map(full)).unwrap()
}

#[tokio::test]
pub async fn http_basic_works_for_every_client_that_holds_a_secret_ca_01() {
    let fixture = Fixture::new();
    fixture.token(AUTH, PW).await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "conf");
    fixture.token(&[("authorization", &basic("conf2", "s3cret2"))], PW).await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "conf2");
}

#[tokio::test]
pub async fn the_header_is_split_at_the_first_colon_and_each_half_is_form_decoded_ca_02() {
    let fixture = Fixture::new();
    let header = "Basic d2UraXJkJTNBaWQlMjUlMkI6cCUyNXNzJTJCdyUzQXJk";
    fixture.token(&[("authorization", header)], PW).await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "we ird:id%+");
}

#[tokio::test]
pub async fn the_raw_pair_of_a_client_is_refused_ca_03() {
    let fixture = Fixture::new();
    let answer = fixture.token(&[("authorization", "Basic d2UgaXJkOmlkJSs6cCVzcyt3OnJk")], PW).await;
    answer.assert_error(401, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn a_client_marked_raw_basic_may_send_either_form_and_others_only_the_encoded_one_ca_03() {
    // (id, secret, raw pair): one that cannot be decoded, one that decodes to something else, one with a broken half.
    for (id, secret) in [("raw%id", "p%ss+w"), ("raw%id", "plain"), ("a+b", "c+d"), ("a+b", "plain"), ("plain", "100%")]
    {
        let encoded = |text: &str| serde_urlencoded::to_string([("", text)]).unwrap().split_off(1);
        let (raw, formed) = (basic(id, secret), basic(&encoded(id), &encoded(secret)));
        for marked in [false, true] {
            let client = Client::confidential(id, &digest(secret));
            let client = if marked { client.raw_basic() } else { client };
            let fixture = Fixture::with(|builder| builder.clients(registry([client])));
            fixture.token(&[("authorization", &formed)], PW).await.assert_ok();
            let answer = fixture.token(&[("authorization", &raw)], PW).await;
            if marked {
                answer.assert_ok();
                fixture.token(&[("authorization", &basic(id, "wrong"))], PW).await.assert_error(401, "invalid_client");
                fixture
                    .token(&[("authorization", &raw)], &pw("client_id=conf"))
                    .await
                    .assert_error(400, "invalid_request");
            } else {
                answer.assert_error(401, "invalid_client");
            }
        }
    }
}

#[tokio::test]
pub async fn the_operator_is_warned_of_a_header_that_may_not_be_encoded_ca_03() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let fixture = Fixture::with(|builder| {
        let audit = move |event: &AuditEvent<'_>| sink.lock().unwrap().push(event.unencoded_basic);
        builder.clients(registry([Client::confidential("conf", &digest("a%b"))])).audit(audit)
    });
    fixture.token(&[("authorization", &basic("conf", "a%b"))], PW).await.assert_error(401, "invalid_client");
    fixture.token(&[("authorization", &basic("conf", "ab"))], PW).await.assert_error(401, "invalid_client");
    assert_eq!(*told.lock().unwrap(), [true, false]);
}

#[tokio::test]
pub async fn the_secret_is_accepted_in_the_body_unless_that_is_switched_off_ca_04() {
    let body = pw("client_id=conf&client_secret=s3cret");
    Fixture::new().token(&[], &body).await.assert_ok();
    let fixture = Fixture::with(support::FixtureBuilder::refuse_secrets_in_body);
    fixture.token(&[], &body).await.assert_error(400, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
    fixture.token(AUTH, PW).await.assert_ok();
    fixture.token(&[], &pw("client_id=pub")).await.assert_ok();
}

#[tokio::test]
pub async fn a_client_can_be_pinned_to_one_place_for_its_secret_ca_04_ca_19() {
    let pinned = |id, method| Client::confidential(id, &digest("s3cret")).authenticate_by(method);
    let fixture = Fixture::with(|builder| {
        builder.clients(registry([
            pinned("head", ClientAuthentication::SecretBasic),
            pinned("body", ClientAuthentication::SecretPost),
        ]))
    });
    fixture.token(&[("authorization", &basic("head", "s3cret"))], PW).await.assert_ok();
    fixture.token(&[], &pw("client_id=body&client_secret=s3cret")).await.assert_ok();
    let answer = fixture.token(&[], &pw("client_id=head&client_secret=s3cret")).await;
    answer.assert_error(400, "invalid_client");
    let answer = fixture.token(&[("authorization", &basic("body", "s3cret"))], PW).await;
    answer.assert_error(401, "invalid_client");
    assert_eq!(fixture.probe.calls(), 2);
}

#[tokio::test]
pub async fn client_credentials_are_never_read_from_the_uri_ca_05() {
    let fixture = Fixture::new();
    let mut request = token_request(&[], PW);
    *request.uri_mut() = "/oauth/token?client_id=conf&client_secret=s3cret".parse().unwrap();
    let answer = fixture.send(request).await;
    answer.assert_error_about(400, "invalid_request", "query");
    assert!(!format!("{answer:?}").contains("s3cret"));
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn a_bare_client_id_is_enough_only_for_public_clients_ca_06_se_03() {
    let fixture = Fixture::new();
    fixture.token(&[], &pw("client_id=pub")).await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "pub");
    fixture.token(&[], &pw("client_id=conf")).await.assert_error(400, "invalid_client");
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
pub async fn two_methods_in_one_request_are_refused_even_when_both_are_right_ca_07() {
    let fixture = Fixture::new();
    let answer = fixture.token(AUTH, &pw("client_id=conf&client_secret=s3cret")).await;
    answer.assert_error_about(400, "invalid_request", "more than one way");
    fixture.token(AUTH, &pw("client_secret=s3cret")).await.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn a_client_id_beside_basic_must_be_the_same_ca_08() {
    let fixture = Fixture::new();
    fixture.token(AUTH, &pw("client_id=conf")).await.assert_ok();
    fixture.token(AUTH, &pw("client_id=pub")).await.assert_error(400, "invalid_request");
}

#[tokio::test]
pub async fn an_empty_client_secret_beside_basic_counts_as_not_sent_ca_09() {
    let fixture = Fixture::new();
    fixture.token(AUTH, &pw("client_secret=")).await.assert_ok();
    fixture.token(AUTH, &pw("client_secret")).await.assert_ok();
    fixture.token(&[], &pw("client_id=pub&client_secret")).await.assert_ok();
}

#[tokio::test]
pub async fn authentication_that_is_included_is_checked_even_where_it_is_not_needed_ca_10() {
    let fixture = Fixture::new();
    fixture.token(&[], &pw("client_id=pub&client_secret=junk")).await.assert_error(400, "invalid_client");
    fixture.token(&[("authorization", &basic("pub", "junk"))], PW).await.assert_error(401, "invalid_client");
    fixture.token(&[("authorization", WRONG)], &pw("client_id=conf")).await.assert_error(401, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn an_assertion_that_nobody_here_takes_is_a_failed_authentication_ca_07_ca_10() {
    let fixture = Fixture::new();
    let assertion = pw("client_assertion=a.b.c");
    fixture.token(AUTH, &assertion).await.assert_error(401, "invalid_client");
    fixture.token(&[], &format!("{assertion}&client_id=pub")).await.assert_error(400, "invalid_client");
    let beside_post = format!("{assertion}&client_id=conf&client_secret=s3cret");
    fixture.token(&[], &beside_post).await.assert_error(400, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
    fixture.token(AUTH, &pw("client_assertion=")).await.assert_ok();
}

#[tokio::test]
pub async fn failed_authentication_by_header_is_401_with_a_basic_challenge_ca_11_ca_12_er_03() {
    let fixture = Fixture::with(|builder| builder.challenge_realm("the api"));
    let answer = fixture.token(&[("authorization", WRONG)], PW).await;
    answer.assert_error(401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"the api\", charset=\"UTF-8\""));
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn an_unknown_client_and_a_wrong_secret_look_the_same_ca_13() {
    let fixture = Fixture::new();
    let unknown = fixture.token(&[("authorization", &basic("ghost", "x"))], PW).await;
    let wrong = fixture.token(&[("authorization", WRONG)], PW).await;
    assert_eq!((unknown.status, unknown.headers, unknown.body), (wrong.status, wrong.headers, wrong.body));
    let unknown = fixture.token(&[], &pw("client_id=ghost&client_secret=x")).await;
    let wrong = fixture.token(&[], &pw("client_id=conf&client_secret=wrong")).await;
    let bare = fixture.token(&[], &pw("client_id=ghost")).await;
    assert_eq!((&unknown.status, &unknown.headers, &unknown.body), (&wrong.status, &wrong.headers, &wrong.body));
    assert_eq!((unknown.status, unknown.headers, unknown.body), (bare.status, bare.headers, bare.body));
}

#[tokio::test]
pub async fn the_scheme_has_any_case_and_any_number_of_spaces_ca_14() {
    let fixture = Fixture::new();
    for scheme in ["basic ", "BASIC ", "Basic  ", "bAsIc   "] {
        fixture.token(&[("authorization", &format!("{scheme}Y29uZjpzM2NyZXQ="))], PW).await.assert_ok();
    }
    // Clients that leave out the padding are understood too.
    fixture.token(&[("authorization", "Basic Y29uZjpzM2NyZXQ")], PW).await.assert_ok();
}

#[tokio::test]
pub async fn a_basic_value_that_cannot_be_read_fails_as_authentication_ca_15() {
    let fixture = Fixture::new();
    let control = basic("conf", "%01");
    let raw = basic("conf", "\u{e9}");
    for value in
        ["Basic", "Basic ", "Basic !!", "Basic Y29uZg==", "Basic Y29uZjolWlo=", "Basic Y29uZjolRkY=", &control, &raw]
    {
        fixture.token(&[("authorization", value)], PW).await.assert_error(401, "invalid_client");
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn more_than_one_authorization_line_is_refused_ca_16() {
    let fixture = Fixture::new();
    let answer = fixture.token(&[("authorization", CONF), ("authorization", CONF)], PW).await;
    answer.assert_error_about(400, "invalid_request", "more than one way");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn an_unknown_scheme_is_an_unsupported_method_unless_it_is_ignored_ca_17() {
    let (headers, body) = ([("authorization", "Bearer abc")], pw("client_id=pub"));
    let fixture = Fixture::new();
    let answer = fixture.token(&headers, &body).await;
    answer.assert_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
    assert_eq!(fixture.probe.calls(), 0);
    Fixture::with(support::FixtureBuilder::ignore_foreign_schemes).token(&headers, &body).await.assert_ok();
}

#[tokio::test]
pub async fn guessing_a_client_secret_is_limited_for_each_source_ca_18() {
    let clock = ManualClock::new();
    let fixture = Fixture::with(|builder| builder.clock(clock.clone()));
    for (id, body) in [("conf", String::new()), ("ghost", String::new()), ("conf2", "in body".to_owned())] {
        let request = |secret: &str| match body.is_empty() {
            true => token_request(&[("authorization", &basic(id, secret))], PW),
            false => token_request(&[], &pw(&format!("client_id={id}&client_secret={secret}"))),
        };
        for _ in 0..10 {
            let answer = fixture.send(request("wrong")).await;
            answer.assert_error(if body.is_empty() { 401 } else { 400 }, "invalid_client");
        }
        // The right secret is not looked at any more.
        for secret in ["wrong", "s3cret", "s3cret2"] {
            let answer = fixture.send(request(secret)).await;
            answer.assert_error(429, "too_many_attempts");
            assert_eq!(answer.header("retry-after"), Some("900"));
        }
    }
    assert_eq!(fixture.probe.calls(), 0);
    fixture.send(from_peer(token_request(AUTH, PW), "192.0.2.2")).await.assert_ok();
    clock.advance(FIRST_LOCK);
    fixture.token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
pub async fn the_right_secret_clears_the_failures_of_its_client_and_source_ca_18() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        for _ in 0..9 {
            fixture.token(&[("authorization", WRONG)], PW).await.assert_error(401, "invalid_client");
        }
        fixture.token(AUTH, PW).await.assert_ok();
    }
}

#[tokio::test]
pub async fn a_client_of_a_key_based_method_cannot_use_a_secret_or_nothing_ca_19() {
    let fixture = Fixture::new();
    for body in ["client_id=pkjwt", "client_id=pkjwt&client_secret=x"] {
        fixture.token(&[], &pw(body)).await.assert_error(400, "invalid_client");
    }
    for secret in ["", "x"] {
        let header = basic("pkjwt", secret);
        fixture.token(&[("authorization", &header)], PW).await.assert_error(401, "invalid_client");
    }
    let assertion = "client_id=pkjwt&client_assertion=a.b.c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A\
                     client-assertion-type%3Ajwt-bearer";
    fixture.token(&[], &pw(assertion)).await.assert_error(400, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn two_secrets_live_side_by_side_and_an_expired_one_fails_like_a_wrong_one_ca_20() {
    let clock = ManualClock::new();
    let day = Duration::from_secs(86_400);
    let fixture = Fixture::with(|builder| {
        let client = Client::confidential("conf", &digest("new"));
        let client = client.secret(&digest("old"), Some(ManualClock::start() + day));
        builder.clients(registry([client])).clock(clock.clone())
    });
    let send = |secret: &'static str| {
        let fixture = fixture.clone();
        async move { fixture.token(&[("authorization", &basic("conf", secret))], PW).await }
    };
    send("new").await.assert_ok();
    send("old").await.assert_ok();
    clock.advance(day - Duration::from_secs(1));
    send("old").await.assert_ok();
    clock.advance(Duration::from_secs(1));
    let (expired, wrong) = (send("old").await, send("wrong").await);
    expired.assert_error(401, "invalid_client");
    assert_eq!((expired.headers, expired.body), (wrong.headers, wrong.body));
    send("new").await.assert_ok();
}

#[tokio::test]
async fn a_request_without_any_client_is_401_with_a_challenge_ca_21() {
    let fixture = Fixture::new();
    fixture.token(&[], PW).await.assert_error(401, "invalid_client");
    // As some tools send it when nothing was filled in: as if there were no header.
    let empty = [("authorization", "Basic Og==")];
    fixture.token(&empty, PW).await.assert_error(401, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
    fixture.token(&empty, &pw("client_id=pub")).await.assert_ok();
    fixture.token(&empty, &pw("client_id=conf&client_secret=s3cret")).await.assert_ok();
}

#[tokio::test]
pub async fn an_empty_secret_identifies_a_public_client_and_nothing_else_ca_22() {
    let fixture = Fixture::new();
    fixture.token(&[("authorization", "Basic cHViOg==")], PW).await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "pub");
    fixture.token(&[("authorization", &basic("conf", ""))], PW).await.assert_error(401, "invalid_client");
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
pub async fn parts_shared_by_arc_authenticate_too_ca_01() {
    let probe = support::Probe::default();
    let clients: Arc<dyn tower_password_grant::ClientRegistry> =
        Arc::new(registry([Client::confidential("conf", &digest("s3cret"))]));
    let layer = builder(&probe).clients(clients).build().unwrap();
    support::send(&layer, token_request(AUTH, PW)).await.assert_ok();
}
