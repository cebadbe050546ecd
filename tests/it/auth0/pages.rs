//! Pages of other origins, whose SDK names itself in a header.

use http::{Method, Request};
use http_body_util::Full;
use tower_password_grant::mount::Profile;
use tower_password_grant::token::RevocationEndpoint;
use tower_password_grant::{Client, OpaqueIssuer, StaticClients, store::MemoryAccessTokens};

use crate::support::{Answer, Fixture, FixtureBuilder, token_request};

const PAGE: &str = "https://app.example";
const STANDARD: &str = "authorization, content-type, dpop, x-requested-with";

fn listing(builder: FixtureBuilder) -> FixtureBuilder {
    let client = Client::public("pub").allow_password_grant().allow_origin(PAGE);
    let client = client.scopes("read").default_scope("read").build().unwrap();
    builder
        .clients(StaticClients::new([client]).unwrap())
        .access_tokens(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .revocation(RevocationEndpoint::at("/oauth/revoke"))
}

/// What Chromium sends before `auth0-js` logs in from a page of this origin.
async fn preflight(fixture: &Fixture, path: &str, origin: &str) -> Answer {
    let request = Request::builder().method(Method::OPTIONS).uri(path).header("host", "as.example");
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    let request = request.header("access-control-request-headers", "auth0-client,content-type");
    let request = request.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "cors");
    fixture.send(request.body(Full::<bytes::Bytes>::default()).unwrap()).await
}

#[tokio::test]
async fn the_header_of_the_sdks_is_allowed_to_pages_of_listed_origins_in_this_profile_alone() {
    let auth0 = Fixture::with(|builder| listing(builder).profile(Profile::Auth0));
    let default = Fixture::with(listing);
    for path in ["/oauth/token", "/oauth/revoke"] {
        for (fixture, allowed) in [(&auth0, format!("auth0-client, {STANDARD}")), (&default, STANDARD.to_owned())] {
            let answer = preflight(fixture, path, PAGE).await;
            assert_eq!(answer.status, 204);
            assert_eq!(answer.header("access-control-allow-headers"), Some(&allowed[..]));
            assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
            let answer = preflight(fixture, path, "https://evil.example").await;
            assert_eq!(answer.status, 204);
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
        }
    }
}

#[tokio::test]
async fn a_login_with_the_header_is_readable_by_a_page_of_a_listed_origin_and_refused_to_others() {
    let fixture = Fixture::with(|builder| listing(builder).profile(Profile::Auth0));
    let body = "grant_type=password&username=alice&password=correct+horse&client_id=pub";
    let from = |origin: &'static str| {
        [("origin", origin), ("sec-fetch-site", "cross-site"), ("auth0-client", "eyJuYW1lIjoiYXV0aDAuanMifQ==")]
    };
    let answer = fixture.send(token_request(&from(PAGE), body)).await;
    answer.assert_ok();
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    let answer = fixture.send(token_request(&from("https://evil.example"), body)).await;
    answer.assert_error_about(400, "invalid_request", "origin");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(fixture.probe.calls(), 1);
}
