//! The metadata document (RFC 8414).

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::mount::Metadata;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};
use tower_password_grant::{Client, ConfigError, Denial, OpaqueIssuer, PasswordGrantLayer, PeerAddress, StaticClients};

use crate::support::grants::OwnGrant;
use crate::support::{self, Probe, spawn};

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

fn build(
    metadata: Metadata,
    change: impl FnOnce(support::FixtureBuilder) -> support::FixtureBuilder,
) -> Result<PasswordGrantLayer, ConfigError> {
    change(support::builder(&Probe::default()).metadata(metadata)).build()
}

fn simple(metadata: Metadata) -> PasswordGrantLayer {
    build(metadata, |builder| builder).unwrap()
}

/// With everything that the crate can serve.
fn full(metadata: Metadata) -> PasswordGrantLayer {
    build(metadata, |builder| {
        builder
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .access_tokens(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .revocation(RevocationEndpoint::at("/oauth/revoke"))
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .extension_grant(code(false))
    })
    .unwrap()
}

/// A grant of the application's own, with a password or without.
fn code(begins_password_login: bool) -> OwnGrant {
    OwnGrant::new("urn:x:code", &[], |_| Ok(Denial::WrongPassword.into())).begins_password_login(begins_password_login)
}

async fn ask(layer: &PasswordGrantLayer, method: Method, path: &str) -> Response<Bytes> {
    let inner = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
    });
    // What the request says of its host goes nowhere.
    let request = Request::builder().method(method).uri(path).header("host", "evil.example");
    let request = request.header("x-forwarded-host", "evil.example").body(Full::default()).unwrap();
    let (parts, body) = layer.layer(inner).oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn document(layer: &PasswordGrantLayer, path: &str) -> Value {
    let answer = ask(layer, Method::GET, path).await;
    assert_eq!(answer.status(), 200);
    let text = String::from_utf8(answer.into_body().to_vec()).unwrap();
    assert!(!text.contains("evil") && !text.contains("null"), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    for (name, value) in json.as_object().unwrap() {
        let is_empty = value.as_array().is_some_and(Vec::is_empty) && name != "response_types_supported";
        assert!(!value.is_null() && !is_empty, "{name} says nothing (MD-08)");
        assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1);
    }
    json
}

async fn is_inner(layer: &PasswordGrantLayer, path: &str) -> bool {
    ask(layer, Method::GET, path).await.body() == "inner"
}

#[cfg(feature = "mfa")]
#[tokio::test]
async fn the_endpoint_where_a_second_factor_is_chosen_is_named_where_there_are_some() {
    use std::sync::Arc;

    use tower_password_grant::mfa::Factors;
    use tower_password_grant::mount::FactorEndpoints;
    use tower_password_grant::store::MemoryFactors;
    use tower_password_grant::user::SecretKeys;

    use crate::support::factors::People;

    let metadata = || Metadata::new("https://as.example").openid_configuration();
    let named = async |change: fn(support::FixtureBuilder) -> support::FixtureBuilder| {
        let factors = Factors::new(Arc::new(MemoryFactors::new()), SecretKeys::random().unwrap()).totp("Example");
        let builder = change(support::builder(&Probe::default()).metadata(metadata()));
        let layer = builder.verifier(People::default()).second_factor(factors).build().unwrap();
        let one = document(&layer, WELL_KNOWN).await;
        assert_eq!(one, document(&layer, "/.well-known/openid-configuration").await);
        let is_of_factors = |grant: &&str| grant.starts_with("http://auth0.com/oauth/grant-type/mfa-");
        let grants: Vec<&str> =
            one["grant_types_supported"].as_array().unwrap().iter().map(|grant| grant.as_str().unwrap()).collect();
        (one["mfa_challenge_endpoint"].clone(), grants.iter().any(is_of_factors))
    };
    // No client of these may use the grants.
    assert_eq!(named(|builder| builder).await, ("https://as.example/mfa/challenge".into(), false));
    let moved = named(|builder| {
        let app = Client::public("app").allow_password_grant().allow_second_factor().scopes("read");
        let clients = StaticClients::new([app.build().unwrap()]).unwrap();
        builder.clients(clients).factor_endpoints(FactorEndpoints::new().challenge("/choose"))
    });
    assert_eq!(moved.await, ("https://as.example/choose".into(), true));
    let without = document(&simple(metadata()), WELL_KNOWN).await;
    assert!(without.get("mfa_challenge_endpoint").is_none());
}

#[tokio::test]
async fn the_well_known_path_stands_between_host_and_issuer_path_md_01() {
    for (issuer, path) in [
        ("https://as.example", WELL_KNOWN.to_owned()),
        ("https://as.example/", WELL_KNOWN.to_owned()),
        ("https://as.example/t1", format!("{WELL_KNOWN}/t1")),
        ("https://as.example/t1/", format!("{WELL_KNOWN}/t1")),
        ("https://as.example:8443/a/b", format!("{WELL_KNOWN}/a/b")),
        ("http://localhost:3000", WELL_KNOWN.to_owned()),
    ] {
        let layer = simple(Metadata::new(issuer));
        let json = document(&layer, &path).await;
        assert_eq!(json["issuer"], issuer, "byte by byte as it was written (MD-03)");
        let origin = issuer.split('/').take(3).collect::<Vec<_>>().join("/");
        assert_eq!(json["token_endpoint"], format!("{origin}/oauth/token"));
        for other in [format!("{path}/"), format!("{path}?x"), path.to_uppercase(), format!("{WELL_KNOWN}/other")] {
            // A query is no part of the path.
            assert_eq!(is_inner(&layer, &other).await, !other.ends_with("?x"), "{other}");
        }
    }
}

#[tokio::test]
async fn it_is_a_json_object_to_get_and_head_and_nothing_to_others_md_02_md_12() {
    let layer = full(Metadata::new("https://as.example"));
    let get = ask(&layer, Method::GET, WELL_KNOWN).await;
    let head = ask(&layer, Method::HEAD, WELL_KNOWN).await;
    for answer in [&get, &head] {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(answer.headers()["cache-control"], "public, max-age=3600");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    assert!(!get.body().is_empty() && head.body().is_empty());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let answer = ask(&layer, method, WELL_KNOWN).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    }
}

#[tokio::test]
async fn it_may_be_cached_for_an_hour_at_most_md_12() {
    let metadata = |seconds| Metadata::new("https://as.example").max_age(Duration::from_secs(seconds));
    for seconds in [0, 60, 3600] {
        let answer = ask(&simple(metadata(seconds)), Method::GET, WELL_KNOWN).await;
        assert_eq!(answer.headers()["cache-control"], format!("public, max-age={seconds}"));
    }
    assert!(matches!(build(metadata(3601), |builder| builder), Err(ConfigError::Setting(_))));
}

#[test]
fn an_issuer_that_is_none_is_refused_md_03_md_13() {
    for bad in [
        "",
        "as.example",
        "http://as.example",
        "HTTPS://as.example",
        "HTTPS://AS.example",
        "https://as.example?x",
        "https://as.example?",
        "https://as.example#x",
        "https://as.example#",
        "https://u@as.example",
        "https://as.example/ x",
        "https://",
        "urn:x",
    ] {
        assert!(matches!(build(Metadata::new(bad), |b| b), Err(ConfigError::Issuer(_))), "{bad}");
        let base = Metadata::new("https://as.example").base_url(bad);
        assert!(matches!(build(base, |b| b), Err(ConfigError::Issuer(_))), "base {bad}");
    }
    let base = Metadata::new("https://as.example").base_url("https://as.example/");
    assert!(matches!(build(base, |b| b), Err(ConfigError::Issuer(_))));
}

#[tokio::test]
async fn strings_are_compared_code_point_by_code_point_md_13() {
    // Another spelling of the host is another issuer: it is neither folded nor made canonical.
    let layer = simple(Metadata::new("https://AS.example:443/T1"));
    let json = document(&layer, &format!("{WELL_KNOWN}/T1")).await;
    assert_eq!(json["issuer"], "https://AS.example:443/T1");
    assert_eq!(json["token_endpoint"], "https://AS.example:443/oauth/token");
    assert!(is_inner(&layer, &format!("{WELL_KNOWN}/t1")).await);
}

#[tokio::test]
async fn there_is_a_token_endpoint_and_no_authorization_endpoint_md_04_md_07() {
    let json = document(&full(Metadata::new("https://as.example")), WELL_KNOWN).await;
    assert_eq!(json["token_endpoint"], "https://as.example/oauth/token");
    assert!(json.get("authorization_endpoint").is_none());
    assert_eq!(json["response_types_supported"], json!([]));
}

#[tokio::test]
async fn the_grant_types_are_those_that_are_served_md_05_pw_17() {
    let grants = async |layer: PasswordGrantLayer| document(&layer, WELL_KNOWN).await["grant_types_supported"].clone();
    let metadata = || Metadata::new("https://as.example");
    let with_refresh =
        build(metadata(), |builder| builder.refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new())))
            .unwrap();
    assert_eq!(grants(with_refresh).await, json!(["password", "refresh_token"]));
    assert_eq!(grants(simple(metadata())).await, json!(["password"]));
    assert_eq!(grants(full(metadata())).await, json!(["password", "refresh_token", "urn:x:code"]));
    // D-33: the truth, unless the host hides it.
    let hidden = full(metadata().hide_password_grant());
    assert_eq!(grants(hidden).await, json!(["refresh_token", "urn:x:code"]));
    let hidden = build(metadata().hide_password_grant(), |builder| {
        builder.refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new())).extension_grant(code(true))
    });
    assert_eq!(grants(hidden.unwrap()).await, json!(["refresh_token"]));
    // PW-17: switched off.
    let off = build(metadata(), |builder| builder.without_password_grant().extension_grant(code(false))).unwrap();
    assert_eq!(grants(off.clone()).await, json!(["urn:x:code"]));
    let answer = support::send(&off, support::token_request(support::AUTH, support::PW)).await;
    answer.assert_error(400, "unsupported_grant_type");
    // What is said here cannot be said otherwise.
    let lie =
        simple(metadata().with("grant_types_supported", json!(["implicit"])).with("issuer", "https://evil.example"));
    let json = document(&lie, WELL_KNOWN).await;
    assert_eq!((&json["grant_types_supported"], &json["issuer"]), (&json!(["password"]), &json!("https://as.example")));
}

#[tokio::test]
async fn the_ways_of_client_authentication_are_written_out_md_06() {
    let metadata = || Metadata::new("https://as.example");
    let all = json!(["client_secret_basic", "client_secret_post", "none"]);
    let confidential = json!(["client_secret_basic", "client_secret_post"]);
    let json = document(&full(metadata()), WELL_KNOWN).await;
    assert_eq!(json["token_endpoint_auth_methods_supported"], all);
    assert_eq!(json["revocation_endpoint_auth_methods_supported"], all);
    // Public clients may not ask, so `none` is not among these.
    assert_eq!(json["introspection_endpoint_auth_methods_supported"], confidential);

    let strict = build(metadata(), |builder| builder.refuse_secrets_in_body()).unwrap();
    let json = document(&strict, WELL_KNOWN).await;
    assert_eq!(json["token_endpoint_auth_methods_supported"], json!(["client_secret_basic", "none"]));
    // No empty list (MD-08).
    let public = document(&full(metadata().client_authentication_methods(["none"])), WELL_KNOWN).await;
    assert!(public.get("introspection_endpoint_auth_methods_supported").is_none());
    let own = full(metadata().client_authentication_methods(["client_secret_basic", "tls_client_auth"]));
    let json = document(&own, WELL_KNOWN).await;
    for endpoint in ["token", "revocation", "introspection"] {
        let name = format!("{endpoint}_endpoint_auth_methods_supported");
        assert_eq!(json[&name], json!(["client_secret_basic", "tls_client_auth"]));
    }
}

#[tokio::test]
async fn members_without_a_value_are_left_out_md_08() {
    let metadata = Metadata::new("https://as.example")
        .scopes_supported(Vec::<String>::new())
        .with("service_documentation", Value::Null)
        .with("ui_locales_supported", json!([]))
        .with("op_policy_uri", "https://as.example/policy");
    let json = document(&simple(metadata), WELL_KNOWN).await;
    assert!(json.get("scopes_supported").is_none() && json.get("service_documentation").is_none());
    assert!(json.get("ui_locales_supported").is_none());
    assert_eq!(json["op_policy_uri"], "https://as.example/policy");
}

#[tokio::test]
async fn client_assertions_come_with_their_algorithms_never_none_md_09() {
    let metadata = || Metadata::new("https://as.example").client_authentication_methods(["private_key_jwt"]);
    let layer = full(metadata().client_assertion_algorithms(["ES256", "EdDSA"]));
    let json = document(&layer, WELL_KNOWN).await;
    for endpoint in ["token", "revocation", "introspection"] {
        let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
        assert_eq!(json[&name], json!(["ES256", "EdDSA"]));
    }
    for bad in [
        metadata(),
        metadata().client_assertion_algorithms(["none"]),
        metadata().client_assertion_algorithms(["ES256", "none"]),
        Metadata::new("https://as.example").client_assertion_algorithms(["ES256"]),
        Metadata::new("https://as.example").client_authentication_methods(["client_secret_jwt"]),
    ] {
        assert!(matches!(build(bad, |b| b), Err(ConfigError::AssertionAlgorithms)));
    }
    let not_json = std::collections::HashMap::from([((1, 2), 3)]);
    let error = build(metadata().with("map", not_json), |b| b).err();
    assert!(matches!(error, Some(ConfigError::MetadataMember(name)) if name == "map"));
    let json = document(&full(Metadata::new("https://as.example")), WELL_KNOWN).await;
    assert!(!json.as_object().unwrap().keys().any(|name| name.contains("signing_alg")));
}

#[tokio::test]
async fn endpoints_are_named_when_they_are_there_md_10_md_11() {
    let metadata = || Metadata::new("https://as.example").scopes_supported(["read", "write"]);
    let bare = document(&simple(metadata()), WELL_KNOWN).await;
    let names: Vec<&str> = bare.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "grant_types_supported",
            "issuer",
            "response_types_supported",
            "scopes_supported",
            "token_endpoint",
            "token_endpoint_auth_methods_supported"
        ]
    );
    assert_eq!(bare["scopes_supported"], json!(["read", "write"]));
    let json = document(&full(metadata().jwks_uri("https://as.example/jwks.json")), WELL_KNOWN).await;
    assert_eq!(json["revocation_endpoint"], "https://as.example/oauth/revoke");
    assert_eq!(json["introspection_endpoint"], "https://as.example/oauth/introspect");
    assert_eq!(json["jwks_uri"], "https://as.example/jwks.json");
    // MD-11: nothing is claimed of what is not built.
    for name in ["dpop_signing_alg_values_supported", "tls_client_certificate_bound_access_tokens"] {
        assert!(json.get(name).is_none());
    }
}

#[test]
fn a_path_of_the_document_that_is_taken_is_refused() {
    let twice = Metadata::new("https://as.example").path("/oauth/token");
    assert!(matches!(build(twice, |b| b), Err(ConfigError::PathTwice(_))));
    for bad in ["x", "", "/a b", "/a?b", "/a#b"] {
        let bad = Metadata::new("https://as.example").path(bad);
        assert!(matches!(build(bad, |b| b), Err(ConfigError::Path(_))));
    }
}

#[tokio::test]
async fn behind_a_router_that_strips_a_prefix_the_urls_are_those_of_the_configuration_em_03() {
    let metadata = Metadata::new("https://as.example/v1").base_url("https://as.example/v1").path("/metadata");
    let layer = build(metadata, |builder| {
        builder.peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
    })
    .unwrap();
    // Axum strips the prefix before the layer sees the path.
    let inner = Router::new().fallback(|| async { "inner" }).layer(layer);
    let app = Router::new().nest_service("/v1", inner);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    let mut get = async |method: Method| {
        let request = Request::builder().method(method).uri("/v1/metadata").header("host", "evil.example");
        let answer = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    };
    let (parts, body) = get(Method::GET).await;
    assert_eq!(parts.status, 200);
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["issuer"], "https://as.example/v1");
    assert_eq!(json["token_endpoint"], "https://as.example/v1/oauth/token");
    // The connection goes on after a HEAD.
    let length = body.len().to_string();
    let (parts, body) = get(Method::HEAD).await;
    assert!(parts.status == 200 && body.is_empty());
    assert_eq!(parts.headers["content-length"], length, "RFC 9110 section 8.6");
    assert_eq!(get(Method::GET).await.0.status, 200);
}
