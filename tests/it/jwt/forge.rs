//! Tokens that are put together by hand and signed by a library of others, with the keys that OpenSSL made.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tower_password_grant::BackendError;
use tower_password_grant::bearer::AccessTokenVerifier;
use tower_password_grant::jwt::{JwtKeys, JwtVerifier, KeySet, SigningAlgorithm};
use tower_password_grant::store::AccessTokenRecord;

use super::helpers::*;

/// When the tests happen.
pub const NOW: u64 = 1_800_000_000;

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn kid(algorithm: SigningAlgorithm) -> String {
    key(algorithm).kid().to_owned()
}

pub fn header(algorithm: SigningAlgorithm) -> Value {
    json!({ "alg": algorithm.name(), "typ": "at+jwt", "kid": kid(algorithm) })
}

pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user-alice", "aud": AUDIENCE, "client_id": "conf", "scope": "write read", "jti": "7",
        "iat": NOW - 60, "exp": NOW + 60, "auth_time": NOW - 90,
    })
}

/// `base` with the members of `change`; a null takes one away.
pub fn with(mut base: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(base.as_object_mut().unwrap().remove(name)),
            value => base[name] = value.clone(),
        }
    }
    base
}

/// The bytes of a PEM block.
pub fn der(pem: &str) -> Vec<u8> {
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

pub fn encoding_key(algorithm: SigningAlgorithm) -> (Algorithm, EncodingKey) {
    let der = der(pem(algorithm));
    match algorithm {
        SigningAlgorithm::Es256 => (Algorithm::ES256, EncodingKey::from_ec_der(&der)),
        SigningAlgorithm::EdDsa => (Algorithm::EdDSA, EncodingKey::from_ed_der(&der)),
        // That library wants what stands within PKCS#8 (RFC 8017 A.1.2).
        SigningAlgorithm::Rs256 => (Algorithm::RS256, EncodingKey::from_rsa_der(&der[26..])),
        other => panic!("no key for {other}"),
    }
}

/// Signs the first two parts, whatever they are.
pub fn signed(algorithm: SigningAlgorithm, input: &str) -> String {
    let (name, key) = encoding_key(algorithm);
    format!("{input}.{}", jsonwebtoken::crypto::sign(input.as_bytes(), &key, name).unwrap())
}

/// A token of this header and these claims, as texts.
pub fn raw(algorithm: SigningAlgorithm, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    signed(algorithm, &format!("{}.{}", b64(header), b64(claims)))
}

pub fn forged(algorithm: SigningAlgorithm, header: Value, claims: Value) -> String {
    raw(algorithm, header.to_string(), claims.to_string())
}

/// A good token with other claims.
pub fn claiming(change: Value) -> String {
    forged(SigningAlgorithm::EdDsa, header(SigningAlgorithm::EdDsa), with(claims(), change))
}

/// A good token with another header.
pub fn headed(change: Value) -> String {
    forged(SigningAlgorithm::EdDsa, with(header(SigningAlgorithm::EdDsa), change), claims())
}

pub fn verifier_of(keys: impl Into<JwtKeys>) -> JwtVerifier {
    JwtVerifier::new(ISSUER, keys).with_clock(Stopped(at(NOW)))
}

/// With the key of this algorithm, and no other.
pub fn verifier(algorithm: SigningAlgorithm) -> JwtVerifier {
    verifier_of(KeySet::new(key(algorithm)))
}

/// With the keys of all algorithms.
pub fn lenient() -> JwtVerifier {
    let keys = KeySet::new(key(SigningAlgorithm::Es256));
    keys.rotate(key(SigningAlgorithm::Rs256)).unwrap();
    keys.rotate(key(SigningAlgorithm::EdDsa)).unwrap();
    verifier_of(keys)
}

/// What the verifier answers at once: it has its keys and waits for nothing.
pub fn verdict(verifier: &JwtVerifier, token: &str) -> Result<Option<AccessTokenRecord>, BackendError> {
    let mut answer = verifier.verify(token);
    match std::pin::Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict,
        Poll::Pending => panic!("the verifier waits"),
    }
}

#[track_caller]
pub fn good(verifier: &JwtVerifier, token: &str) -> AccessTokenRecord {
    verdict(verifier, token).unwrap().unwrap_or_else(|| panic!("refused: {token}"))
}

#[track_caller]
pub fn refused(verifier: &JwtVerifier, token: &str) {
    let found = verdict(verifier, token).unwrap();
    assert!(found.is_none(), "accepted: {token}");
}
