//! Verification by PyJWT.
//!
//! Needs a Python with `pyjwt[crypto]`: `python3`, or the one that `PYTHON` names. Without it the test says so and ends,
//! unless `REQUIRE_INTEROP=1` is set.

use std::process::{Command, Output};

use tower_password_grant::jwt::{IdClaims, SigningAlgorithm};

use super::helpers::*;
use super::id_world::IdWorld;
use super::methods::vouching;
use crate::support::tokens::text;
use crate::support::vouched::by;

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
    run(&[], token, jwks, issuer, audience).await
}

async fn run(
    options: &'static [&'static str],
    token: String,
    jwks: String,
    issuer: &'static str,
    audience: &'static str,
) -> Output {
    let run = move || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/verify_jwt.py");
        let rules = ["--jwks", &jwks, "--issuer", issuer, "--audience", audience, &token];
        python().arg(script).args(options).args(rules).output().unwrap()
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

#[tokio::test]
async fn pyjwt_verifies_the_id_tokens_of_every_algorithm_and_takes_neither_kind_for_the_other() {
    if !is_there() {
        return;
    }
    for algorithm in ALL {
        let issuer = issuer(algorithm).with_id_tokens(|_| async { Ok(IdClaims::new().claim("name", "Alice Ä.")?) });
        let world = IdWorld::new(issuer);
        let json = world.login("openid").await.assert_ok();
        let (access_token, id_token) = (text(&json, "access_token"), text(&json, "id_token"));
        let jwks = Server::start((*world.issuer).clone()).await.jwks_url();

        let good = run(&["--id-token"], id_token.clone(), jwks.clone(), ISSUER, "conf").await;
        assert!(good.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&good.stderr));
        let json: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
        assert_eq!((&json["claims"]["name"], &json["claims"]["aud"]), (&"Alice Ä.".into(), &"conf".into()));
        assert_eq!(json["header"]["alg"], algorithm.name());

        // How the user was authenticated is read by others, too.
        let world = IdWorld::with((*world.issuer).clone(), vouching);
        let json = world.post(&by("password+otp")).await.assert_ok();
        for (options, kind, audience) in [(&[][..], "access_token", AUDIENCE), (&["--id-token"], "id_token", "conf")] {
            let good = run(options, text(&json, kind), jwks.clone(), ISSUER, audience).await;
            assert!(good.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&good.stderr));
            let read: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
            assert_eq!(read["claims"]["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
        }

        for (options, token, audience) in [
            (&["--id-token"][..], &id_token, "pub"),
            (&["--id-token"], &access_token, AUDIENCE),
            (&[], &id_token, "conf"),
        ] {
            let refused = run(options, token.clone(), jwks.clone(), ISSUER, audience).await;
            assert_eq!(refused.status.code(), Some(1), "{algorithm} {options:?} {audience}");
        }
    }
}
