//! HTTP behaviour: media types, methods, CORS and the cross-site rule, early data, deadlines (by tower calls).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::{Body, Frame};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::{Client, StaticClients};

use crate::support::{self, AUTH, Answer, Fixture, PW, basic, digest, from_peer, pw, token_request};

const PAGE: &str = "https://app.example";

/// What a body does, step by step.
enum Step {
    Data(&'static [u8]),
    Trailers,
    Error,
    Hang,
}

/// A body without a declared length.
struct Script(std::vec::IntoIter<Step>);

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.0.next() {
            None => Poll::Ready(None),
            Some(Step::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes))))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Some(Step::Error) => Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into()))),
            Some(Step::Hang) => {
                self.0 = vec![Step::Hang].into_iter();
                Poll::Pending
            }
        }
    }
}

fn scripted(headers: &[(&str, &str)], steps: Vec<Step>) -> Request<Script> {
    let headers: Vec<_> = AUTH.iter().chain(headers).copied().collect();
    token_request(&headers, "").map(|_| Script(steps.into_iter()))
}

/// A body that must not be read.
struct Untouched;

impl Body for Untouched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was read");
    }
}

async fn with_type(fixture: &Fixture, value: &str) -> Answer {
    fixture.token(&[AUTH[0], ("content-type", value)], PW).await
}

#[tokio::test]
async fn the_media_type_has_any_case_and_any_parameters_ht_01_ht_02() {
    let fixture = Fixture::new();
    for fine in [
        "Application/X-WWW-Form-UrlEncoded ; a=b",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-8",
        "application/x-www-form-urlencoded; charset=\"UTF-8\"",
        "application/x-www-form-urlencoded; charset=utf8",
        "application/x-www-form-urlencoded;charset=\"UTF8\";",
        "application/x-www-form-urlencoded;",
        "application/x-www-form-urlencoded; a=\"x;charset=latin1\"",
        "application/x-www-form-urlencoded; CHARSET=Utf-8; x=y",
    ] {
        with_type(&fixture, fine).await.assert_ok();
    }
    for bad in ["iso-8859-1", "\"iso-8859-1\"", "utf-16", "utf-8; charset=latin1"] {
        let answer = with_type(&fixture, &format!("application/x-www-form-urlencoded; charset={bad}")).await;
        answer.assert_error_about(400, "invalid_request", "UTF-8");
    }
}

#[tokio::test]
async fn a_missing_or_other_content_type_is_refused_without_reading_the_body_ht_03() {
    let fixture = Fixture::new();
    let types =
        ["application/json", "multipart/form-data; boundary=x", "text/plain", "", "application/x-www-form-urlencodedx"];
    for media in types {
        let request = token_request(&[AUTH[0], ("content-type", media)], "").map(|_| Untouched);
        let answer = fixture.send(request).await;
        answer.assert_error_about(400, "invalid_request", "application/x-www-form-urlencoded");
        assert_eq!(answer.header("accept-post"), Some("application/x-www-form-urlencoded"));
    }
    let mut request = token_request(AUTH, "").map(|_| Untouched);
    request.headers_mut().remove("content-type");
    fixture.send(request).await.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn two_content_type_lines_are_refused_ht_04() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let fixture = Fixture::new();
    fixture.token(&[AUTH[0], form, form], PW).await.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn compressed_bodies_are_refused_and_nothing_is_decompressed_ht_05() {
    let fixture = Fixture::new();
    for coding in ["gzip", "br", "identity, gzip", "identity,,gzip", "x", "identityx", "identity;q=1"] {
        let request = token_request(&[AUTH[0], ("content-encoding", coding)], "").map(|_| Untouched);
        let answer = fixture.send(request).await;
        answer.assert_error(415, "invalid_request");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    for none in ["identity", "Identity", "", " ", "identity, identity", ",", "identity,"] {
        fixture.token(&[AUTH[0], ("content-encoding", none)], PW).await.assert_ok();
    }
}

#[tokio::test]
async fn other_methods_are_405_with_allow_and_head_has_no_body_ht_06_ht_23() {
    let fixture = Fixture::new();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "post", "QUERY"] {
        let headers = [AUTH[0], ("x-http-method-override", "POST"), ("x-http-method", "POST")];
        let mut request = token_request(&headers, "").map(|_| Untouched);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = fixture.send(request).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
        if method == "HEAD" {
            assert!(answer.body.is_empty());
        } else {
            answer.assert_error(405, "invalid_request");
        }
    }
    // Nor does a POST become something else.
    fixture.token(AUTH, &pw("_method=DELETE")).await.assert_ok();
    fixture.token(&[AUTH[0], ("x-http-method-override", "GET")], PW).await.assert_ok();
}

fn options(headers: &[(&str, &str)]) -> Request<Untouched> {
    let mut request = token_request(headers, "").map(|_| Untouched);
    *request.method_mut() = Method::OPTIONS;
    request
}

const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", PAGE),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "authorization,content-type,dpop"),
];

fn cors_headers(answer: &Answer) -> Vec<&str> {
    answer.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("access-control")).collect()
}

/// `conf` and `pub` list the page's origin, `conf2` does not.
fn listing() -> Fixture {
    let clients = [
        Client::confidential("conf", &digest("s3cret")).allow_origin(PAGE),
        Client::public("pub").allow_origin("http://localhost:3000").allow_origin(PAGE),
        Client::confidential("conf2", &digest("s3cret2")),
    ];
    let full =
        clients.map(|client| client.allow_password_grant().scopes("read").default_scope("read").build().unwrap());
    Fixture::with(|builder| builder.clients(StaticClients::new(full).unwrap()))
}

#[tokio::test]
async fn options_without_cors_is_204_with_allow_and_runs_nothing_ht_07() {
    let fixture = Fixture::new();
    for headers in [&[][..], &PREFLIGHT[..]] {
        let answer = fixture.send(options(headers)).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
        assert_eq!(cors_headers(&answer), Vec::<&str>::new());
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn a_preflight_of_a_listed_origin_is_answered_ht_08() {
    for origin in [PAGE, "http://localhost:3000"] {
        let mut headers = PREFLIGHT;
        headers[0].1 = origin;
        let answer = listing().send(options(&headers)).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
        let allowed: Vec<_> = answer.header("access-control-allow-headers").unwrap().split(", ").collect();
        for name in ["authorization", "content-type", "dpop", "x-requested-with"] {
            assert!(allowed.contains(&name), "{name}");
        }
        assert_eq!(answer.header("vary"), Some("origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let mut headers = PREFLIGHT;
    headers[0].1 = "https://evil.example";
    assert_eq!(cors_headers(&listing().send(options(&headers)).await), Vec::<&str>::new());
}

#[tokio::test]
async fn every_answer_to_a_listed_origin_can_be_read_by_its_page_ht_09() {
    let fixture = listing();
    let page = [AUTH[0], ("origin", PAGE), ("sec-fetch-site", "cross-site")];
    let wrong = basic("conf", "wrong");
    let wrong_secret = [("authorization", wrong.as_str()), ("origin", PAGE)];
    let mut answers = vec![
        fixture.token(&page, PW).await,
        fixture.token(&page, "").await,
        fixture.token(&page, "%zz").await,
        fixture.token(&wrong_secret, PW).await,
        fixture.token(&[page[0], page[1], ("content-type", "text/plain")], PW).await,
        fixture.token(&[("origin", PAGE)], PW).await,
    ];
    for guess in 0..11 {
        let body = format!("grant_type=password&username=alice&password=x{guess}");
        answers.push(fixture.token(&page, &body).await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(&statuses[..6], [200, 400, 400, 401, 400, 401]);
    assert_eq!(statuses.last(), Some(&429));
    for answer in answers {
        // The shared assertions look at `Vary` and at what is exposed.
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE), "{answer:?}");
    }
}

#[tokio::test]
async fn without_cors_or_for_an_unknown_origin_there_are_no_cors_headers_ht_10() {
    for fixture in [Fixture::new(), listing()] {
        for origin in ["https://evil.example", "null", "https://app.example:8443", "http://app.example", "garbage"] {
            for site in [None, Some(("sec-fetch-site", "cross-site"))] {
                let headers: Vec<_> = [AUTH[0], ("origin", origin)].into_iter().chain(site).collect();
                let answer = fixture.token(&headers, PW).await;
                answer.assert_error_about(400, "invalid_request", "origin");
                assert_eq!(cors_headers(&answer), Vec::<&str>::new());
                assert_eq!(answer.header("vary"), Some("origin"));
            }
        }
        assert_eq!(cors_headers(&fixture.token(AUTH, PW).await), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn a_foreign_page_is_refused_before_anything_is_charged_ht_11() {
    let fixture = listing();
    let wrong = basic("conf", "wrong");
    for site in ["cross-site", "same-site", "garbage"] {
        for _ in 0..20 {
            for (authorization, body) in [
                (wrong.as_str(), PW),
                (AUTH[0].1, "grant_type=password&username=alice&password=wrong"),
                (AUTH[0].1, PW),
            ] {
                let headers = [("authorization", authorization), ("sec-fetch-site", site)];
                fixture.token(&headers, body).await.assert_error_about(400, "invalid_request", "origin");
                let headers = [("authorization", authorization), ("origin", "https://evil.example")];
                fixture.token(&headers, body).await.assert_error_about(400, "invalid_request", "origin");
            }
        }
    }
    assert_eq!(fixture.probe.calls(), 0);
    // Both budgets are whole: nine failures each, then success.
    for _ in 0..9 {
        fixture.token(&[("authorization", &wrong)], PW).await.assert_error(401, "invalid_client");
    }
    for _ in 0..9 {
        fixture.token(AUTH, "grant_type=password&username=alice&password=x").await.assert_error(400, "invalid_grant");
    }
    fixture.token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
async fn the_origin_must_be_on_the_list_of_the_client_itself_ht_11() {
    let header = basic("conf2", "s3cret2");
    let answer = listing().token(&[("authorization", &header), ("origin", PAGE)], PW).await;
    answer.assert_error_about(400, "invalid_request", "origin");
    let unknown = listing().token(&[("origin", PAGE)], &pw("client_id=ghost")).await;
    unknown.assert_error_about(400, "invalid_request", "origin");
}

#[tokio::test]
async fn requests_of_our_own_origin_and_from_no_page_are_served_ht_11() {
    let fixture = Fixture::new();
    for headers in [
        &[][..],
        &[("origin", "https://as.example")],
        &[("origin", "https://AS.example:443")],
        &[("origin", "http://as.example")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://as.example")],
        &[("sec-fetch-mode", "cors")],
    ] {
        let headers: Vec<_> = AUTH.iter().chain(headers).copied().collect();
        fixture.token(&headers, PW).await.assert_ok();
    }
    for headers in [
        &[("origin", "https://as.example:8443")][..],
        &[("sec-fetch-site", "cross-site"), ("origin", "https://as.example")],
        &[("origin", "https://as.example"), ("origin", "https://as.example")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    ] {
        let headers: Vec<_> = AUTH.iter().chain(headers).copied().collect();
        fixture.token(&headers, PW).await.assert_error_about(400, "invalid_request", "origin");
    }
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_413_without_reading_ht_12() {
    let fixture = Fixture::new();
    for length in ["10000000", "32769", "18446744073709551615"] {
        let request = token_request(&[AUTH[0], ("content-length", length)], "").map(|_| Untouched);
        let answer = fixture.send(request).await;
        answer.assert_error(413, "invalid_request");
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn a_body_without_a_length_may_have_the_limit_and_not_a_byte_more_ht_13() {
    for (more, fine) in [(0, true), (1, false)] {
        let fixture = Fixture::with(|builder| builder.request_limits(RequestLimits::new().max_body(PW.len() + 10)));
        let padding: &'static [u8] = &b"&pad=1234567"[..10 + more];
        let answer = fixture.send(scripted(&[], vec![Step::Data(PW.as_bytes()), Step::Data(padding)])).await;
        if fine {
            answer.assert_ok();
        } else {
            answer.assert_error(413, "invalid_request");
            assert_eq!(fixture.probe.calls(), 0);
        }
    }
}

#[tokio::test]
async fn the_number_of_pairs_is_bounded_ht_14() {
    let fixture = Fixture::new();
    fixture.token(AUTH, &pw(&"a=1&".repeat(5000))).await.assert_error_about(400, "invalid_request", "malformed");
    fixture.token(AUTH, &pw(&"a=1&".repeat(62))).await.assert_error_about(400, "invalid_request", "malformed");
    fixture.token(AUTH, &pw(&"a=1&".repeat(61))).await.assert_ok();
    assert_eq!(fixture.probe.calls(), 1);
}

#[tokio::test]
async fn a_huge_authorization_header_fails_as_authentication_ht_14() {
    let fixture = Fixture::new();
    for value in [basic("conf", &"x".repeat(100 * 1024)), "Basic ".to_owned() + &"A".repeat(100 * 1024)] {
        fixture.token(&[("authorization", &value)], PW).await.assert_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn trailers_and_empty_frames_are_ignored_ht_16() {
    let (one, two) = PW.as_bytes().split_at(20);
    let steps = vec![Step::Data(b""), Step::Data(one), Step::Data(b""), Step::Data(two), Step::Trailers];
    Fixture::new().send(scripted(&[], steps)).await.assert_ok();
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_hits_its_deadline_ht_17() {
    let fixture = Fixture::new();
    for steps in [vec![Step::Hang], vec![Step::Data(PW.as_bytes()), Step::Hang]] {
        let start = tokio::time::Instant::now();
        let answer = fixture.send(scripted(&[], steps)).await;
        answer.assert_error(408, "invalid_request");
        assert_eq!(answer.header("connection"), Some("close"));
        // Time stands still but for the timer.
        assert_eq!(start.elapsed().as_secs(), 10);
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn parts_that_hang_hit_the_deadline_of_the_exchange_ht_22() {
    let verifier = tower_password_grant::verify_fn(|_| std::future::pending());
    let builder = support::builder(&support::Probe::default()).verifier(verifier);
    let layer = builder.request_limits(RequestLimits::new().deadline(Some(Duration::from_secs(3)))).build().unwrap();
    let answer = support::send(&layer, token_request(AUTH, PW)).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn an_incomplete_body_never_counts_as_a_request_ht_18() {
    let fixture = Fixture::new();
    let answer = fixture.send(scripted(&[], vec![Step::Data(PW.as_bytes()), Step::Error])).await;
    answer.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn the_path_is_matched_exactly_ht_19() {
    let fixture = Fixture::new();
    for path in
        ["/oauth/token/", "/OAUTH/token", "//oauth/token", "/oauth/%74oken", "/oauth/token;a", "/oauth/token%20"]
    {
        let mut request = token_request(AUTH, PW);
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(fixture.send(request).await.body, "inner", "{path}");
    }
    let fixture = Fixture::with(|builder| builder.token_path("/v1/login"));
    assert_eq!(fixture.token(AUTH, PW).await.body, "inner");
    let mut request = token_request(AUTH, PW);
    *request.uri_mut() = "https://as.example/v1/login?tenant=a".parse().unwrap();
    fixture.send(request).await.assert_ok();
}

#[test]
fn an_impossible_path_or_limit_is_refused_at_build_ht_19_ht_12() {
    let probe = support::Probe::default();
    for bad in ["oauth/token", "", "/oauth token", "/a?b", "/a#b", "/\u{e9}"] {
        let built = support::builder(&probe).token_path(bad).build();
        assert!(matches!(built, Err(tower_password_grant::ConfigError::Path(_))), "{bad}");
    }
    let built = support::builder(&probe).request_limits(RequestLimits::new().max_body(0)).build();
    assert!(matches!(built, Err(tower_password_grant::ConfigError::BodyLimit)));
}

#[tokio::test]
async fn a_spoofed_forwarding_header_does_not_change_the_budget_s_address_ht_25() {
    let fixture = Fixture::new();
    for host in 0..10 {
        let guess = format!("grant_type=password&username=alice&password=x{host}");
        let spoofed = format!("203.0.113.{host}");
        let headers = [AUTH[0], ("x-forwarded-for", spoofed.as_str()), ("x-real-ip", spoofed.as_str())];
        fixture.send(from_peer(token_request(&headers, &guess), "192.0.2.7")).await.assert_error(400, "invalid_grant");
    }
    let headers = [AUTH[0], ("x-forwarded-for", "203.0.113.99")];
    let answer = fixture.send(from_peer(token_request(&headers, PW), "192.0.2.7")).await;
    answer.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn early_data_is_refused_where_that_is_switched_on_ht_27() {
    let early = [AUTH[0], ("early-data", "1")];
    Fixture::new().token(&early, PW).await.assert_ok();
    let fixture = Fixture::with(|builder| builder.refuse_early_data());
    fixture.token(&early, PW).await.assert_error(425, "invalid_request");
    // RFC 8470 section 5.1: several or invalid ones are the same as a single `1`.
    for odd in [&["0", "1"][..], &["1", "1"], &["0"], &["1, 1"], &[""]] {
        let headers: Vec<_> = AUTH.iter().copied().chain(odd.iter().map(|value| ("early-data", *value))).collect();
        fixture.token(&headers, PW).await.assert_error(425, "invalid_request");
    }
    assert_eq!(fixture.probe.calls(), 0);
    fixture.token(AUTH, PW).await.assert_ok();
}
