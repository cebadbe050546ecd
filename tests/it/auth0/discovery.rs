//! `/.well-known/openid-configuration`, which some SDKs read before they ask anything else.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::jwt::{IdClaims, JwtIssuer, JwtVerifier, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::store::MemoryRefreshTokens;
use tower_password_grant::token::{RefreshTokens, RevocationEndpoint};
use tower_password_grant::{
    BackendError, Builder, ConfigError, Grant, IssuedTokens, PasswordGrantLayer, StaticClients, TokenIssuer,
};

use crate::support::{self, Answer, CONF, Document, PW, Probe, send, token_request};

const OPENID: &str = "/.well-known/openid-configuration";
const RFC_8414: &str = "/.well-known/oauth-authorization-server";
const KEYS: &str = "/.well-known/jwks.json";
const DOMAIN: &str = "https://as.example/";

/// An issuer of the application's own, which gives ID tokens with these algorithms.
struct WithIdTokens(JwtIssuer, &'static [&'static str]);

#[async_trait]
impl TokenIssuer for WithIdTokens {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.0.issue(grant).await
    }

    fn issuer_identifier(&self) -> Option<&str> {
        self.0.issuer_identifier()
    }

    fn id_token_algorithms(&self) -> Vec<String> {
        self.1.iter().map(|name| (*name).to_owned()).collect()
    }
}

fn jwts(issuer: &str) -> JwtIssuer {
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    JwtIssuer::new(issuer, ["https://api.example"], KeySet::new(key)).unwrap()
}

fn rsa() -> SigningKey {
    SigningKey::from_pkcs8_pem(SigningAlgorithm::Rs256, include_str!("../../data/jwt/rs256.pem")).unwrap()
}

fn endpoint<I: TokenIssuer>(issuer: I, metadata: Metadata) -> Builder<StaticClients, Probe, I> {
    support::builder(&Probe::default()).issuer(issuer).profile(Profile::Auth0).metadata(metadata)
}

async fn get(layer: &PasswordGrantLayer, path: &str) -> Answer {
    let request = Request::builder().method(Method::GET).uri(path).header("host", "evil.example");
    let inner = tower::service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::from_static(b"inner"))))
    });
    let answer = tower::ServiceExt::oneshot(tower::Layer::layer(layer, inner), request.body(Full::default()).unwrap());
    let (parts, body) = answer.await.unwrap().into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body, head_only: false }
}

async fn document(layer: &PasswordGrantLayer, path: &str) -> Value {
    let answer = get(layer, path).await;
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

#[tokio::test]
async fn the_document_has_each_member_that_an_sdk_reads_and_no_other() {
    let issuer = jwts(DOMAIN);
    let keys = issuer.jwks();
    let metadata = Metadata::new(DOMAIN)
        .openid_configuration()
        .scopes_supported(["openid", "profile"])
        .with("userinfo_endpoint", "https://as.example/userinfo");
    let layer = endpoint(WithIdTokens(issuer, &["RS256"]), metadata)
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .revocation(RevocationEndpoint::at("/oauth/revoke"))
        .document(KEYS, keys)
        .build()
        .unwrap();
    let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
    let expected = json!({
        "issuer": "https://as.example/",
        "token_endpoint": "https://as.example/oauth/token",
        "revocation_endpoint": "https://as.example/oauth/revoke",
        "userinfo_endpoint": "https://as.example/userinfo",
        "jwks_uri": "https://as.example/.well-known/jwks.json",
        "grant_types_supported": ["password", "refresh_token"],
        "response_types_supported": [],
        "scopes_supported": ["openid", "profile"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    });
    let answer = get(&layer, OPENID).await;
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    // One document at both paths: they cannot contradict each other.
    assert_eq!(get(&layer, RFC_8414).await.body, answer.body);
    assert_eq!(document(&layer, KEYS).await["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_algorithms_are_those_that_sign_id_tokens_not_access_tokens() {
    let found = async |issuer: JwtIssuer| {
        let keys = issuer.jwks();
        let layer = endpoint(issuer, Metadata::new(DOMAIN).openid_configuration()).document(KEYS, keys);
        document(&layer.build().unwrap(), OPENID).await["id_token_signing_alg_values_supported"].clone()
    };
    let with_id_tokens = |issuer: JwtIssuer| issuer.with_id_tokens(|_| async { Ok(IdClaims::new()) });
    assert_eq!(found(jwts(DOMAIN)).await, Value::Null);
    assert_eq!(found(with_id_tokens(jwts(DOMAIN))).await, json!(["ES256"]));
    // One key signs access tokens, another one ID tokens.
    let issuer = with_id_tokens(jwts(DOMAIN));
    issuer.keys().sign_id_tokens_with(rsa()).unwrap();
    assert_eq!(found(issuer.clone()).await, json!(["RS256"]));
    issuer.keys().rotate(SigningKey::generate(SigningAlgorithm::EdDsa).unwrap()).unwrap();
    assert_eq!(found(issuer).await, json!(["RS256"]));
}

#[tokio::test]
async fn it_is_served_only_where_it_is_asked_for_whatever_the_profile() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let layer = endpoint(jwts(DOMAIN), Metadata::new(DOMAIN)).profile(profile).document(KEYS, Document);
        let layer = layer.build().unwrap();
        assert_eq!(get(&layer, OPENID).await.body, "inner");
        let members = document(&layer, RFC_8414).await;
        for name in ["subject_types_supported", "id_token_signing_alg_values_supported", "jwks_uri"] {
            assert!(members.get(name).is_none(), "{name}");
        }
        let asked = endpoint(jwts(DOMAIN), Metadata::new(DOMAIN).openid_configuration()).profile(profile);
        assert_eq!(document(&asked.build().unwrap(), OPENID).await["issuer"], DOMAIN);
    }
}

#[tokio::test]
async fn a_final_slash_of_the_issuer_is_not_doubled_and_stands_in_document_and_tokens_alike() {
    for (issuer, openid, rfc_8414, keys) in [
        ("https://as.example/", OPENID, RFC_8414, KEYS),
        ("https://as.example", OPENID, RFC_8414, KEYS),
        (
            "https://as.example/t/",
            "/t/.well-known/openid-configuration",
            "/.well-known/oauth-authorization-server/t",
            "/t/.well-known/jwks.json",
        ),
    ] {
        let tokens = jwts(issuer);
        let layer = endpoint(tokens.clone(), Metadata::new(issuer).openid_configuration());
        let layer = layer.document(keys, tokens.jwks()).build().unwrap();
        let found = document(&layer, openid).await;
        assert_eq!(found, document(&layer, rfc_8414).await);
        assert_eq!(found["jwks_uri"], format!("https://as.example{keys}"));
        assert!(!found.to_string().replace("https://", "").contains("//"), "{found}");

        let login = send(&layer, token_request(&[("authorization", CONF)], PW)).await.assert_ok();
        let token = login["access_token"].as_str().unwrap();
        // Compared byte by byte with what the document says.
        let verifier = JwtVerifier::new(found["issuer"].as_str().unwrap(), tokens.keys().clone());
        assert!(verifier.verify(token).await.unwrap().is_some());
        let other = JwtVerifier::new(format!("{issuer}/"), tokens.keys().clone());
        assert!(other.verify(token).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn nothing_is_said_of_id_tokens_and_keys_that_are_not_there() {
    let opaque = support::builder(&Probe::default()).metadata(Metadata::new(DOMAIN).openid_configuration());
    let found = document(&opaque.build().unwrap(), OPENID).await;
    for name in ["id_token_signing_alg_values_supported", "jwks_uri", "authorization_endpoint", "userinfo_endpoint"] {
        assert!(found.get(name).is_none(), "{name}");
    }
    assert_eq!(found["subject_types_supported"], json!(["public"]));
    // A document elsewhere is not taken for the keys.
    let elsewhere = endpoint(jwts(DOMAIN), Metadata::new(DOMAIN).openid_configuration()).document("/keys", Document);
    assert!(document(&elsewhere.build().unwrap(), OPENID).await.get("jwks_uri").is_none());
}

#[tokio::test]
async fn what_only_the_application_knows_is_taken_from_it() {
    let metadata = Metadata::new(DOMAIN)
        .openid_configuration()
        .jwks_uri("https://keys.example/jwks.json")
        .with("subject_types_supported", json!(["pairwise"]))
        .with("id_token_signing_alg_values_supported", json!(["ES256"]));
    // The tokens' issuer knows better with which algorithms it signs.
    for (algorithms, said) in [(&[][..], "ES256"), (&["RS256"][..], "RS256")] {
        let layer = endpoint(WithIdTokens(jwts(DOMAIN), algorithms), metadata.clone()).document(KEYS, Document);
        let found = document(&layer.build().unwrap(), OPENID).await;
        assert_eq!(found["jwks_uri"], "https://keys.example/jwks.json");
        assert_eq!(found["subject_types_supported"], json!(["pairwise"]));
        assert_eq!(found["id_token_signing_alg_values_supported"], json!([said]));
    }
}

#[tokio::test]
async fn behind_a_router_that_strips_a_prefix_the_layer_is_asked_for_the_rest_of_the_path() {
    let metadata = Metadata::new("https://as.example/v1/").base_url("https://as.example/v1").openid_configuration();
    let layer = endpoint(jwts("https://as.example/v1/"), metadata).document(KEYS, Document).build().unwrap();
    let found = document(&layer, OPENID).await;
    assert_eq!(found["token_endpoint"], "https://as.example/v1/oauth/token");
    assert_eq!(found["jwks_uri"], "https://as.example/v1/.well-known/jwks.json");
}

#[test]
fn build_refuses_what_clients_could_not_use() {
    let refused = |layer: Result<PasswordGrantLayer, ConfigError>| layer.err().unwrap().to_string();
    // A slash more is another issuer, in the document of RFC 8414, too.
    for metadata in [Metadata::new("https://as.example"), Metadata::new("https://as.example").openid_configuration()] {
        let error = endpoint(std::sync::Arc::new(jwts(DOMAIN)), metadata).build();
        assert!(matches!(&error, Err(ConfigError::OtherIssuer { document, tokens })
            if document == "https://as.example" && tokens == DOMAIN));
        assert!(
            refused(error).contains("the issuer of the metadata, `https://as.example`, is not the `iss` of the tokens")
        );
    }
    let metadata = || Metadata::new(DOMAIN).openid_configuration();
    let without_keys = endpoint(std::sync::Arc::new(WithIdTokens(jwts(DOMAIN), &["RS256"])), metadata());
    assert!(refused(without_keys.build()).contains("`.document(\"/.well-known/jwks.json\", issuer.jwks())`"));
    let said = endpoint(jwts(DOMAIN), metadata().with("id_token_signing_alg_values_supported", json!(["RS256"])));
    assert!(matches!(said.build(), Err(ConfigError::NoKeys(_))));
    for path in [OPENID, RFC_8414] {
        let twice = endpoint(jwts(DOMAIN), metadata()).document(path, Document);
        assert!(matches!(twice.build(), Err(ConfigError::PathTwice(twice)) if twice == path));
    }
    let itself = endpoint(jwts(DOMAIN), metadata().path(OPENID));
    assert!(matches!(itself.build(), Err(ConfigError::PathTwice(_))));
}
