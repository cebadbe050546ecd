//! Whatever comes in: one well-formed answer, no panic, and no token without the right password of a known client.

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{self, CONF, Fixture};

const NAMES: [&str; 14] = [
    "grant_type",
    "username",
    "password",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "refresh_token",
    "resource",
    "user%6Eame",
    "grant%5Ftype",
    "%",
    "",
    "\u{e9}",
];

const VALUES: [&str; 20] = [
    "password",
    "alice",
    "correct+horse",
    "correct%20horse",
    "read",
    "read+write",
    "conf",
    "pub",
    "s3cret",
    "",
    "foo",
    "%00",
    "%0A",
    "%FF",
    "%zz",
    "a=b",
    "zo%C3%AB",
    "+read",
    "svc",
    "refresh_token",
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![8 => select(&NAMES[..]).prop_map(str::to_owned), 1 => "[ -~]{0,8}"];
    let value = prop_oneof![8 => select(&VALUES[..]).prop_map(str::to_owned), 1 => "[ -~]{0,16}"];
    let pairs = vec((name, value), 0..8).prop_map(|pairs| {
        pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&").into_bytes()
    });
    // Most requests start out right, so that the later checks are reached too.
    let good = "grant_type=password&username=alice&password=correct+horse";
    prop_oneof![
        3 => pairs.clone().prop_map(move |more| [good.as_bytes(), b"&", &more].concat()),
        2 => pairs,
        1 => vec(any::<u8>(), 0..200),
    ]
}

fn authorization() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(CONF.as_bytes().to_vec()),
        1 => Just(b"Basic Og==".to_vec()),
        1 => Just(b"Basic cHViOg==".to_vec()),
        1 => Just(b"Bearer x".to_vec()),
        1 => vec(0x20_u8..=0x7e, 0..60),
        1 => vec(0x80_u8..=0xff, 1..20),
        2 => vec(any::<u8>(), 0..40).prop_map(|bytes| {
            use base64::Engine as _;
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(bytes)).into_bytes()
        }),
    ]
}

fn media_type() -> impl Strategy<Value = Vec<u8>> {
    let form = b"application/x-www-form-urlencoded".to_vec();
    prop_oneof![9 => Just(form), 1 => vec(0x20_u8..=0x7e, 0..40), 1 => vec(0x80_u8..=0xff, 1..9)]
}

fn site() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let origins = ["https://as.example", "https://evil.example", "null", "://", "https://", ""];
    let sites = ["same-origin", "cross-site", "none", ""];
    prop_oneof![
        select(origins.to_vec()).prop_map(|origin| ("origin", origin.as_bytes().to_vec())),
        select(sites.to_vec()).prop_map(|site| ("sec-fetch-site", site.as_bytes().to_vec())),
        vec(0x80_u8..=0xff, 1..9).prop_map(|bytes| ("origin", bytes)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_request_gets_one_well_formed_answer_em_05_er_01_ok_11(
        method in prop_oneof![12 => Just(Method::POST), 1 => Just(Method::OPTIONS), 1 => Just(Method::HEAD)],
        query in of("[a-z_]{1,12}=[a-z]{0,3}"),
        authorization in weighted(0.9, authorization()),
        media_type in weighted(0.95, media_type()),
        site in weighted(0.2, site()),
        body in body(),
    ) {
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let mut request = Request::builder().method(method).uri(format!("/oauth/token{query}")).header("host", "as.example");
        let headers = [authorization.map(|value| ("authorization", value)), media_type.map(|value| ("content-type", value)), site];
        for (name, value) in headers.into_iter().flatten() {
            request = request.header(name, HeaderValue::from_bytes(&value).unwrap());
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let fixture = Fixture::new();
        // `send` runs the shared assertions.
        let answer = runtime.block_on(fixture.send(request));
        prop_assert!(fixture.probe.calls() <= 1);
        prop_assert!(answer.status.as_u16() < 500);
        if answer.status == 200 {
            prop_assert_eq!(fixture.probe.last(), ("alice".to_owned(), "correct horse".to_owned()));
            prop_assert!(["conf", "pub"].contains(&fixture.probe.last_client().as_str()));
        }
    }
}

/// Bodies about tokens: `AT` and `RT` stand for live ones of the client `conf`.
fn token_body() -> impl Strategy<Value = String> {
    let name = select(vec![
        "grant_type",
        "refresh_token",
        "token",
        "token_type_hint",
        "client_id",
        "client_secret",
        "scope",
        "username",
        "tok%65n",
    ]);
    let value = select(vec![
        "refresh_token",
        "access_token",
        "password",
        "AT",
        "RT",
        "RT%20",
        "RTx",
        "AT%00",
        "",
        "pub",
        "conf",
        "conf2",
        "wrong",
        "read",
        "read+admin",
        "%zz",
        "rt_",
        "at_AAAA",
    ]);
    let pairs = vec((name, value), 0..6)
        .prop_map(|pairs| pairs.into_iter().map(|(name, value)| format!("&{name}={value}")).collect::<String>());
    (
        select(vec!["", "grant_type=refresh_token&refresh_token=RT", "token=RT", "token=AT", "token=RT&client_id=pub"]),
        pairs,
    )
        .prop_map(|(good, more)| format!("{good}{more}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_request_without_its_clients_secret_touches_a_token_t62_t70_t71(
        path in select(vec!["/oauth/token", "/oauth/revoke", "/oauth/introspect"]),
        authorization in weighted(0.7, prop_oneof![
            2 => Just(support::basic("conf2", "conf2-pw").into_bytes()),
            1 => Just(support::basic("rs", "rs-pw").into_bytes()),
            1 => Just(support::basic("conf", "").into_bytes()),
            2 => authorization(),
        ]),
        site in weighted(0.1, site()),
        body in token_body(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let tokens = support::tokens::Tokens::new();
            let login = tokens.login("conf").await;
            let mut request = Request::post(path).header("host", "as.example");
            request = request.header("content-type", "application/x-www-form-urlencoded");
            let headers = [authorization.map(|value| ("authorization", value)), site];
            for (name, value) in headers.into_iter().flatten() {
                request = request.header(name, HeaderValue::from_bytes(&value).unwrap());
            }
            let body = body.replace("RT", &login.refresh).replace("AT", &login.access);
            let request = request.body(Full::new(Bytes::from(body))).unwrap();
            // `send` runs the shared assertions.
            let answer = support::send(&tokens.layer, request).await;
            assert!(answer.status.as_u16() < 500);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("access_token\":"), "{text}");
            assert!(tokens.is_active(&login.access).await, "the access token is gone");
            tokens.refresh("conf", &login.refresh).await.assert_ok();
        });
    }
}
