//! Verification by PyJWT.
//!
//! Needs a Python with `pyjwt[crypto]`: `python3`, or the one that `PYTHON` names. Without it the test says so and ends,
//! unless `REQUIRE_INTEROP=1` is set.

use std::process::{Command, Output};

use tower_password_grant::jwt::SigningAlgorithm;

use super::helpers::*;

fn python() -> Command {
    Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()))
}

fn is_there() -> bool {
    let probe = python().args(["-c", "import jwt, cryptography"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let why = "python3 with `pyjwt[crypto]` is missing (pip install \"pyjwt[crypto]\", PYTHON names another python)";
    assert_ne!(std::env::var("REQUIRE_INTEROP").as_deref(), Ok("1"), "{why}");
    // Past the capture of test output, so that nobody takes this for a pass.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("\nSKIPPED: PyJWT interop: {why}\n").as_bytes());
    false
}

async fn pyjwt(token: String, jwks: String, issuer: &'static str, audience: &'static str) -> Output {
    let run = move || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/verify_jwt.py");
        python().args([script, "--jwks", &jwks, "--issuer", issuer, "--audience", audience, &token]).output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn pyjwt_verifies_the_tokens_of_every_algorithm_and_no_others_ja_01_ja_03() {
    if !is_there() {
        return;
    }
    for algorithm in ALL {
        let issuer = issuer(algorithm);
        let keys = issuer.keys().clone();
        let server = Server::start(issuer).await;
        let (token, jwks) = (server.token().await, server.jwks_url());
        let good = pyjwt(token.clone(), jwks.clone(), ISSUER, AUDIENCE).await;
        assert!(good.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&good.stderr));
        let json: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
        assert_eq!(json["claims"]["sub"], "user-alice");
        assert_eq!(json["header"]["alg"], algorithm.name());

        for (token, issuer, audience) in [
            (token.clone(), "https://other.example", AUDIENCE),
            (token.clone(), ISSUER, "https://other.example"),
            (token[..token.len() - 8].to_owned() + "AAAAAAAA", ISSUER, AUDIENCE),
        ] {
            assert_eq!(pyjwt(token, jwks.clone(), issuer, audience).await.status.code(), Some(1));
        }

        let next = if algorithm == SigningAlgorithm::EdDsa { SigningAlgorithm::Es256 } else { SigningAlgorithm::EdDsa };
        keys.rotate(key(next)).unwrap();
        for token in [token.clone(), server.token().await] {
            assert!(pyjwt(token, jwks.clone(), ISSUER, AUDIENCE).await.status.success());
        }
        keys.retire(key(algorithm).kid());
        assert_eq!(pyjwt(token, jwks, ISSUER, AUDIENCE).await.status.code(), Some(1));
    }
}
