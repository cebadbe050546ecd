//! The JWKS document over HTTP (RFC 7517 section 5).

use std::time::Duration;

use serde_json::Value;
use tower_password_grant::jwt::SigningAlgorithm;
use tower_password_grant::mount::PublicDocument as _;

use super::helpers::*;

#[tokio::test]
async fn the_document_is_served_to_get_and_head_and_to_nothing_else() {
    let server = Server::start(issuer(SigningAlgorithm::Es256)).await;
    let get = server.request("GET", JWKS_PATH, &[], "").await;
    assert_eq!(get.status(), 200);
    for (name, value) in [
        ("content-type", "application/jwk-set+json"),
        ("cache-control", "public, max-age=300"),
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(get.headers()[name], value);
        assert_eq!(get.headers().get_all(name).iter().count(), 1);
    }
    assert!(!get.headers().contains_key("set-cookie"));
    verify(&server.token().await, get.body()).unwrap();

    let head = server.request("HEAD", JWKS_PATH, &[], "").await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "application/jwk-set+json");
    assert!(head.body().is_empty());

    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let refused = server.request(method, JWKS_PATH, &[], "").await;
        assert_eq!(refused.status(), 405, "{method}");
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
    }
    assert_eq!(server.request("GET", "/.well-known/jwks.json/", &[], "").await.status(), 404);
    assert_eq!(server.request("GET", "/", &[], "").await.body(), "inner");
}

#[tokio::test]
async fn the_document_holds_no_private_and_no_symmetric_member() {
    let issuer = issuer(SigningAlgorithm::Es256);
    issuer.keys().rotate(key(SigningAlgorithm::EdDsa)).unwrap();
    issuer.keys().rotate(key(SigningAlgorithm::Rs256)).unwrap();
    let server = Server::start(issuer).await;
    let served = server.request("GET", JWKS_PATH, &[], "").await;
    let json: Value = serde_json::from_slice(served.body()).unwrap();
    assert_eq!(json.as_object().unwrap().len(), 1);
    let keys = json["keys"].as_array().unwrap();
    let expected: [(&str, &[&str]); 3] = [
        ("RS256", &["alg", "e", "kid", "kty", "n", "use"]),
        ("ES256", &["alg", "crv", "kid", "kty", "use", "x", "y"]),
        ("EdDSA", &["alg", "crv", "kid", "kty", "use", "x"]),
    ];
    assert_eq!(keys.len(), expected.len());
    for (alg, members) in expected {
        let key = keys.iter().find(|key| key["alg"] == alg).unwrap().as_object().unwrap();
        let mut names: Vec<&str> = key.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, members);
        assert_eq!(key["use"], "sig");
        for value in key.values() {
            assert!(!value.as_str().unwrap().contains(['=', '+', '/']), "{value} is not base64url");
        }
    }
    assert_eq!(keys[0]["alg"], "RS256", "the signing key comes first");
}

#[tokio::test]
async fn a_rotation_shows_in_the_document_at_once() {
    let issuer = issuer(SigningAlgorithm::Es256);
    let keys = issuer.keys().clone();
    let server = Server::start(issuer).await;
    let old = server.token().await;
    keys.rotate(key(SigningAlgorithm::EdDsa)).unwrap();
    let served = server.request("GET", JWKS_PATH, &[], "").await;
    verify(&old, served.body()).unwrap();
    verify(&server.token().await, served.body()).unwrap();
}

#[test]
fn the_time_to_cache_can_be_set() {
    let jwks = issuer(SigningAlgorithm::EdDsa).jwks();
    assert_eq!(jwks.max_age(), Duration::from_secs(300));
    assert_eq!(jwks.with_max_age(Duration::from_secs(60)).max_age(), Duration::from_secs(60));
}

#[test]
fn another_library_computes_the_same_thumbprints() {
    for algorithm in ALL {
        let key = key(algorithm);
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(&key.verification_key().to_jwk()).unwrap();
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key.kid());
    }
}
