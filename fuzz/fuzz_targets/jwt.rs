//! The verifier of signed access tokens: any text, any header and claims behind a good signature, and changed tokens.
//!
//! The input is `HEADER\nCLAIMS`, both as JSON, with at most one change of the finished token in a third line: `AT BYTE`.
#![no_main]

use std::future::Future as _;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::jwt::{JwtVerifier, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::store::AccessTokenRecord;
use tower_password_grant::clock::Clock;

const ISSUER: &str = "https://as.example";
const NOW: u64 = 1_800_000_000;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

struct Keys {
    pair: Ed25519KeyPair,
    verifier: JwtVerifier,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pem = include_str!("../../tests/data/jwt/eddsa.pem");
        let der = STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
        let key = SigningKey::from_pkcs8_der(SigningAlgorithm::EdDsa, &der).unwrap().with_kid("1").unwrap();
        let verifier = JwtVerifier::new(ISSUER, KeySet::new(key)).with_clock(Stopped);
        Keys { pair: Ed25519KeyPair::from_pkcs8(&der).unwrap(), verifier }
    })
}

/// The answer, which is never one to wait for and never an error.
fn verify(token: &str) -> Option<AccessTokenRecord> {
    let mut answer = keys().verifier.verify(token);
    match Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found.expect("own keys are always there"),
        Poll::Pending => panic!("own keys are there at once"),
    }
}

fuzz_target!(|input: &[u8]| {
    // Nobody guesses a signature.
    if let Ok(text) = std::str::from_utf8(input) {
        assert!(verify(text).is_none(), "{text}");
    }

    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (header, claims) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = keys().pair.sign(signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    let Some(record) = verify(&token) else { return };

    // Whatever was accepted is an access token of this issuer, by a plain reading.
    assert!(token.len() <= 8192);
    let header: Map<String, Value> = serde_json::from_slice(header).expect("a header is an object");
    let claims: Map<String, Value> = serde_json::from_slice(claims).expect("claims are an object");
    assert_eq!(header["alg"], "EdDSA");
    let typ = header["typ"].as_str().unwrap().to_ascii_lowercase();
    assert!(typ == "at+jwt" || typ == "application/at+jwt");
    assert!(header.get("kid").is_none_or(|kid| kid == "1"));
    for name in ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"] {
        assert!(!header.contains_key(name));
    }
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], record.subject_id());
    assert_eq!(claims["client_id"], record.client().as_str());
    assert!(claims["jti"].is_string() && !record.subject_id().is_empty() && !record.audience().is_empty());
    assert!(claims["exp"].as_f64().unwrap() > NOW as f64 && claims["iat"].as_f64().unwrap() <= (NOW + 5) as f64);
    assert_eq!(claims.get("realm").and_then(Value::as_str), record.realm());
    assert_eq!(claims.get("cnf"), record.claim::<Value>("cnf").as_ref());

    // And no other text is the same token.
    if let Some(change) = lines.next()
        && let [at, .., byte] = change
        && byte.is_ascii()
    {
        let mut changed = token.clone().into_bytes();
        let at = usize::from(*at) * changed.len() / 256;
        if changed[at] != *byte {
            changed[at] = *byte;
            assert!(verify(std::str::from_utf8(&changed).unwrap()).is_none());
        }
    }
    for (at, _) in token.char_indices() {
        assert!(verify(&token[..at]).is_none());
    }
});
