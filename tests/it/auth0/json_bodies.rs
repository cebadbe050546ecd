//! JSON bodies: which are read, what their limits are, and that nothing else differs from a form.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::AuthRequest;
use tower_password_grant::mount::{Profile, RequestLimits};

use super::expect::{self, auth0};
use crate::support::auth_method::OwnMethod;
use crate::support::json_body::json_of;
use crate::support::tokens::{Tokens, clients};
use crate::support::{AUTH, Answer, Fixture, PW, basic, token_request};

const JSON: (&str, &str) = ("content-type", "application/json");

/// A request with a JSON body.
pub fn request(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
    let mut request = token_request(&headers, "").map(|_| Full::new(body.into()));
    *request.uri_mut() = path.parse().unwrap();
    request
}

pub async fn ask(fixture: &Fixture, body: impl Into<Bytes>) -> Answer {
    fixture.send(request("/oauth/token", AUTH, body)).await
}

/// The whole of a refusal of the body.
#[track_caller]
pub fn assert_refused(answer: &Answer, sentence: &str) {
    expect::assert_refused(answer, 400, "invalid_request", sentence, &[]);
}

pub const MALFORMED: &str = "the request is malformed";
const REPEATED: &str = "a parameter is repeated";

/// A login, the body of which goes on with these members.
pub fn login(more: &str) -> String {
    format!(r#"{{"grant_type":"password","username":"alice","password":"correct horse"{more}}}"#)
}

#[tokio::test]
async fn a_login_in_json_is_one_like_in_a_form() {
    let fixture = auth0(|builder| builder);
    for body in [
        login(""),
        // As Python writes it, and as people do.
        r#"{"grant_type": "password", "username": "alice", "password": "correct horse"}"#.to_owned(),
        "\r\n{\n\t\"password\" : \"correct horse\",\n\t\"grant_type\" : \"password\",\n\t\"username\" : \"alice\"\n}\n"
            .to_owned(),
        r#"{"grant\u005ftype":"\u0070assword","us\u0065rname":"alic\u0065","password":"correct\u0020horse"}"#
            .to_owned(),
    ] {
        assert_eq!(ask(&fixture, body).await.assert_ok()["scope"], "read");
        assert_eq!(fixture.probe.last(), ("alice".to_owned(), "correct horse".to_owned()));
    }
    // A form is read as before.
    fixture.token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
async fn every_spelling_of_the_media_type_in_utf_8_is_read_and_no_other() {
    let fixture = auth0(|builder| builder);
    let sent_as = async |media_type: &str| {
        fixture.send(token_request(&[AUTH[0], ("content-type", media_type)], &login(""))).await
    };
    for fine in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        "application/json; charset=\"utf8\"; a=b",
    ] {
        sent_as(fine).await.assert_ok();
    }
    for other in [
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "application/problem+json",
        "text/json",
        "text/plain",
    ] {
        let answer = sent_as(other).await;
        answer.assert_error_about(400, "invalid_request", "application/json or application/x-www-form-urlencoded");
        assert_eq!(answer.header("accept-post"), Some("application/x-www-form-urlencoded, application/json"));
    }
    let two = [AUTH[0], JSON, ("content-type", "application/json")];
    fixture.send(token_request(&two, &login(""))).await.assert_error_about(400, "invalid_request", "body must be");
    // What is said to be a form is none, and the other way round.
    fixture.token(AUTH, &login("")).await.assert_error(400, "invalid_request");
    assert_refused(&ask(&fixture, PW).await, MALFORMED);
    let zipped = request("/oauth/token", &[AUTH[0], ("content-encoding", "gzip")], login(""));
    fixture.send(zipped).await.assert_error_about(415, "invalid_request", "compressed");
}

#[tokio::test]
async fn by_default_json_is_refused_as_before() {
    let answer = Fixture::new().send(request("/oauth/token", AUTH, login(""))).await;
    let body = "{\"error\":\"invalid_request\",\"error_description\":\"the body must be application/x-www-form-urlencoded in UTF-8\"}";
    assert_eq!((answer.status.as_u16(), std::str::from_utf8(&answer.body).unwrap()), (400, body));
    assert_eq!(answer.header("accept-post"), Some("application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn null_and_the_empty_text_are_as_if_absent() {
    let fixture = auth0(|builder| builder);
    for name in ["scope", "audience", "realm", "client_id", "client_secret", "refresh_token", "client_assertion"] {
        for empty in ["null", r#""""#] {
            let answer = ask(&fixture, login(&format!(r#","{name}":{empty}"#))).await;
            assert_eq!(answer.assert_ok()["scope"], "read", "{name}");
        }
    }
    let calls = fixture.probe.calls();
    for body in [
        r#"{"grant_type":null,"username":"alice","password":"x"}"#,
        r#"{"grant_type":"","username":"alice","password":"x"}"#,
        r#"{"grant_type":"password","username":null,"password":"x"}"#,
        r#"{"grant_type":"password","username":"alice","password":null}"#,
        r#"{"grant_type":"password","username":"alice","password":""}"#,
        "{}",
    ] {
        let answer = ask(&fixture, body).await;
        answer.assert_error(400, "invalid_request");
        // A form in which the same is empty.
        let form = fixture.token(AUTH, &form_of(body)).await;
        assert_eq!((answer.status, answer.headers, answer.body), (form.status, form.headers, form.body), "{body}");
    }
    assert_eq!(fixture.probe.calls(), calls);
}

/// The form of a flat object.
fn form_of(body: &str) -> String {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).unwrap();
    let pairs = object.iter().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    serde_urlencoded::to_string(pairs.collect::<Vec<_>>()).unwrap()
}

#[tokio::test]
async fn a_name_that_stands_twice_is_refused_however_it_is_written() {
    let fixture = auth0(|builder| builder);
    for (one, other) in [
        ("username", "username"),
        ("username", r"us\u0065rname"),
        (r"us\u0065rname", r"\u0075sername"),
        ("device", "device"),
        ("device", r"d\u0065vice"),
        ("", ""),
    ] {
        for (first, second) in [("x", "x"), ("x", "y"), ("", "x"), ("x", "")] {
            for null in [false, true] {
                let written =
                    |value: &str| if null && value.is_empty() { "null".to_owned() } else { format!("{value:?}") };
                let body = format!(r#"{{"{one}":{},"a":"b","{other}":{}}}"#, written(first), written(second));
                assert_refused(&ask(&fixture, body).await, REPEATED);
            }
        }
    }
    assert_refused(&ask(&fixture, login(r#","username":"alice""#)).await, REPEATED);
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn the_limits_are_those_of_a_form() {
    let fixture = auth0(|builder| builder);
    let members = |count: usize| (0..count).map(|number| format!(r#","a{number}":null"#)).collect::<String>();
    // Three are there.
    ask(&fixture, login(&members(61))).await.assert_ok();
    assert_refused(&ask(&fixture, login(&members(62))).await, MALFORMED);
    let body = |name: &str, length: usize, unit: &str| {
        let others = ["username", "password"]
            .map(|other| format!(r#","{other}":"{}""#, if other == name { unit.repeat(length) } else { "x".into() }));
        format!(r#"{{"grant_type":"password"{}}}"#, others.concat())
    };
    for (name, most) in [("username", 1024), ("password", 4096)] {
        // Escapes count as what they stand for.
        for unit in ["a", r"\u0061", r"\t"] {
            let calls = fixture.probe.calls();
            assert_eq!(ask(&fixture, body(name, most, unit)).await.json()["error"], "invalid_grant", "{name} {unit}");
            assert_eq!(fixture.probe.calls(), calls + 1);
            assert_refused(&ask(&fixture, body(name, most + 1, unit)).await, MALFORMED);
        }
    }
    for (name, bad) in [
        ("username", r"a\u0000b"),
        ("username", r"a\nb"),
        ("password", r"a\u000d"),
        ("password", r"\u007f"),
        ("password", r"\ufffe"),
        ("device", r"a\nb"),
        ("client_assertion", r"a\rb"),
        ("client_id", r"caf\u00e9"),
        ("client_secret", "\u{e9}"),
    ] {
        let body = format!(r#"{{"grant_type":"password","{name}":"{bad}"}}"#);
        assert_refused(&ask(&fixture, body).await, MALFORMED);
    }
    assert_refused(&ask(&fixture, login(r#","a\nb":"x""#)).await, MALFORMED);
    // A realm that cannot be read is one that nobody lists, as in a form.
    assert_refused(&ask(&fixture, login(r#","realm":"a\nb""#)).await, "the connection was not found");
    let small = auth0(|builder| builder.request_limits(RequestLimits::new().max_body(100)));
    ask(&small, login("")).await.assert_ok();
    let answer = ask(&small, format!("{}{}", login(""), " ".repeat(100))).await;
    answer.assert_error_about(413, "invalid_request", "too large");
}

#[tokio::test]
async fn the_verifier_gets_the_decoded_texts_and_the_fields_that_are_not_known() {
    let fixture = auth0(|builder| builder);
    let body = r#"{"grant_type":"password","username":"zo\u00eb","password":" %&+£\u20ac"}"#;
    ask(&fixture, body).await.assert_ok();
    assert_eq!(fixture.probe.last(), ("zo\u{eb}".to_owned(), " %&+£€".to_owned()));
    // Nothing is decoded twice, and nothing as a form.
    let body = r#"{"grant_type":"password","username":"alice","password":"\\u0041%41+\ud83d\ude00\/\b"}"#;
    let refused = ask(&fixture, body.replace(r"\b", "")).await;
    assert_eq!(refused.json()["error"], "invalid_grant");
    assert_eq!(fixture.probe.last().1, "\\u0041%41+\u{1f600}/");
    assert_refused(&ask(&fixture, body).await, MALFORMED);
}

/// Frames each of which has to be waited for.
struct Frames(std::vec::IntoIter<Bytes>, bool);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.next().map(|frame| Ok(Frame::data(frame))))
    }
}

#[tokio::test]
async fn a_body_is_the_same_wherever_its_frames_are_split() {
    let fixture = auth0(|builder| builder);
    let body = r#"{"grant_type":"password","username":"zo\u00eb","password":" %&+£\u20ac","us\u0065r":null,"é":"\ud83d\ude00"}"#;
    let all = body.as_bytes();
    let send = async |frames: Vec<&[u8]>| {
        let frames: Vec<Bytes> = frames.into_iter().map(Bytes::copy_from_slice).collect();
        fixture.send(request("/oauth/token", AUTH, "").map(|_| Frames(frames.into_iter(), false))).await
    };
    for at in 0..=all.len() {
        let (one, other) = all.split_at(at);
        send(vec![one, other]).await.assert_ok();
        assert_eq!(fixture.probe.last(), ("zo\u{eb}".to_owned(), " %&+£€".to_owned()), "{at}");
    }
    send(all.chunks(1).collect()).await.assert_ok();
    // Cut off anywhere it is no object.
    for at in 0..all.len() {
        assert_refused(&send(vec![&all[..at]]).await, MALFORMED);
    }
}

#[tokio::test]
async fn client_credentials_and_assertions_are_read_from_json_and_never_from_the_query() {
    let claim = |request: &AuthRequest<'_>| {
        assert_eq!((request.field("password"), request.field("client_secret")), (None, None));
        request.field("client_assertion").map(|_| "pkjwt".to_owned())
    };
    let method = OwnMethod::new("private_key_jwt", "X-Assertion realm=\"api\"", claim, |_, request| {
        assert_eq!(request.field("client_assertion_type"), Some("urn:x:jwt"));
        MaybeFuture::ready(Ok(request.field("client_assertion") == Some("signed")))
    });
    let fixture = auth0(|builder| builder.client_auth_method(method));
    let sent =
        async |more: &str, query: &str| fixture.send(request(&format!("/oauth/token{query}"), &[], login(more))).await;
    sent(r#","client_id":"conf","client_secret":"s3cret""#, "").await.assert_ok();
    sent(r#","client_id":"pub""#, "?tenant=a").await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "pub");
    sent(r#","client_assertion_type":"urn:x:jwt","client_assertion":"sig\u006eed""#, "").await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "pkjwt");
    let two = sent(
        r#","client_id":"pkjwt","client_secret":"x","client_assertion_type":"urn:x:jwt","client_assertion":"signed""#,
        "",
    );
    two.await.assert_error_about(400, "invalid_request", "more than one way");
    let calls = fixture.probe.calls();
    for query in ["?client_secret=s3cret", "?password=x", "?a=b&us%65rname=x"] {
        let answer = sent(r#","client_id":"conf","client_secret":"s3cret""#, query).await;
        answer.assert_error_about(400, "invalid_request", "query");
    }
    assert_eq!(fixture.probe.calls(), calls);
}

#[tokio::test]
async fn other_grants_are_handed_on_with_their_json_unchanged() {
    let fixture = auth0(|builder| builder);
    let echo =
        service_fn(
            |request: Request<Full<Bytes>>| async move { Ok::<_, Infallible>(Response::new(request.into_body())) },
        );
    let through_with = async |headers: &[(&str, &str)], body: &str| {
        let layer = fixture.layer.clone().forward_other_grants(Full::new);
        let mut request = request("/oauth/token", headers, body.to_owned());
        request.extensions_mut().insert("192.0.2.1:4711".parse::<std::net::SocketAddr>().unwrap());
        let response = layer.layer(echo).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    };
    let through = async |body: &str| through_with(AUTH, body).await;
    for foreign in [
        r#"{"grant_type":"authorization_code","code":"x"}"#,
        "{ \"x\" : null,\r\n\"grant\\u005ftype\":\"urn:x:\\u0079\" }\n",
    ] {
        assert_eq!(through(foreign).await, (200, foreign.to_owned()));
    }
    let (status, answer) = through(&login("")).await;
    assert!(status == 200 && answer.contains("access_token"), "{answer}");
    // What it asks for cannot be told.
    for unclear in [
        r#"{"grant_type":"authorization_code","grant_type":"password"}"#,
        r#"{"grant_type":["authorization_code"]}"#,
        r#"{"grant_type":"authorization_code","code":1}"#,
        r#"{"grant_type":null}"#,
        "{}",
        "",
    ] {
        let (status, answer) = through(unclear).await;
        assert!(status == 400 && answer.contains("invalid_request"), "{unclear}: {answer}");
    }
    // A body of two media types is not read, whatever it holds.
    let two = [AUTH[0], ("content-type", "application/json")];
    assert_eq!(through_with(&two, &login("")).await, (200, login("")));
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
async fn tokens_are_introspected_and_revoked_by_json() {
    let tokens = Tokens::with(clients(), |builder| builder.profile(Profile::Auth0));
    let header = basic("conf", "conf-pw");
    let ask = async |path: &str, form: &str| {
        let request = request(path, &[("authorization", &header)], json_of(form));
        crate::support::send(&tokens.layer, request).await
    };
    let login = ask("/oauth/token", "grant_type=password&username=alice&password=correct+horse").await.assert_ok();
    let token = login["access_token"].as_str().unwrap();
    for body in [
        format!("token={token}"),
        format!("token={token}&token_type_hint"),
        format!("t%6Fken={token}&token_type_hint="),
    ] {
        assert_eq!(ask("/oauth/introspect", &body).await.json()["active"], true, "{body}");
    }
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        for body in [
            "",
            "token=",
            "token",
            "x=y",
            "token=x&token=x",
            "token=x&token_type_hint=a&token_type_hint=b",
            "token=%zz",
        ] {
            ask(path, body).await.assert_error(400, "invalid_request");
        }
    }
    let in_body = format!("token={token}&client_id=conf&client_secret=conf-pw");
    let request = request("/oauth/revoke", &[], json_of(&in_body));
    crate::support::send(&tokens.layer, request).await.assert_empty_ok();
    assert_eq!(ask("/oauth/introspect", &format!("token={token}")).await.json()["active"], false);
}
