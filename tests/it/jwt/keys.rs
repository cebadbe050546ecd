//! Reading, making and rotating keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tower_password_grant::jwt::{KeyError, KeySet, SigningAlgorithm, SigningKey, VerificationKey};

use super::helpers::*;
use crate::support::spawn;

fn der(algorithm: SigningAlgorithm) -> Vec<u8> {
    let base64: String = pem(algorithm).lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap()
}

#[test]
fn pem_and_der_give_the_same_key() {
    for algorithm in ALL {
        let key = SigningKey::from_pkcs8_der(algorithm, &der(algorithm)).unwrap();
        assert_eq!(key.verification_key(), self::key(algorithm).verification_key());
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.kid().len(), 43);
    }
}

#[tokio::test]
async fn generated_keys_sign_and_survive_their_export() {
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
        let key = SigningKey::generate(algorithm).unwrap();
        assert_ne!(key.kid(), SigningKey::generate(algorithm).unwrap().kid());
        let again = SigningKey::from_pkcs8_pem(algorithm, key.to_pkcs8_pem().unwrap().expose()).unwrap();
        assert_eq!(again.verification_key(), key.verification_key());

        let issuer = issuer(algorithm);
        issuer.keys().rotate(key).unwrap();
        let jwks = document(&issuer);
        let token = token(&layer(issuer)).await;
        verify(&token, &jwks).unwrap();
        assert_eq!(part(&token, 0)["kid"], again.kid());
    }
    let rsa = key(SigningAlgorithm::Rs256);
    let again = SigningKey::from_pkcs8_pem(SigningAlgorithm::Rs256, rsa.to_pkcs8_pem().unwrap().expose()).unwrap();
    assert_eq!(again.verification_key(), rsa.verification_key());
}

#[test]
fn a_generated_rsa_key_has_3072_bits_ja_02() {
    let key = SigningKey::generate(SigningAlgorithm::Rs256).unwrap();
    let jwk: serde_json::Value = serde_json::from_str(&key.verification_key().to_jwk()).unwrap();
    assert_eq!(jwk["n"].as_str().unwrap().len(), 3072 / 8 * 4 / 3);
}

#[test]
fn keys_of_another_kind_are_refused() {
    for algorithm in ALL {
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            let error = SigningKey::from_pkcs8_pem(algorithm, pem(other)).unwrap_err();
            assert_eq!(error, KeyError::Rejected(algorithm));
        }
        for text in [include_str!("../../data/jwt/sec1.pem"), include_str!("../../data/jwt/pkcs1.pem")] {
            assert_eq!(SigningKey::from_pkcs8_pem(algorithm, text).unwrap_err(), KeyError::NotPkcs8);
        }
        let encrypted = include_str!("../../data/jwt/encrypted.pem");
        assert_eq!(SigningKey::from_pkcs8_pem(algorithm, encrypted).unwrap_err(), KeyError::EncryptedPem);
        let public = include_str!("../../data/jwt/public.pem");
        assert_eq!(SigningKey::from_pkcs8_pem(algorithm, public).unwrap_err(), KeyError::NotPrivate);
        assert_eq!(SigningKey::from_pkcs8_pem(algorithm, "").unwrap_err(), KeyError::NoPem);
    }
    let p384 = SigningKey::from_pkcs8_pem(SigningAlgorithm::Es256, include_str!("../../data/jwt/p384.pem"));
    assert_eq!(p384.unwrap_err(), KeyError::Rejected(SigningAlgorithm::Es256));
}

#[test]
fn a_small_rsa_key_is_refused_with_the_size_to_use() {
    let error =
        SigningKey::from_pkcs8_pem(SigningAlgorithm::Rs256, include_str!("../../data/jwt/rsa1024.pem")).unwrap_err();
    assert_eq!(error, KeyError::RsaSize);
    assert!(error.to_string().contains("2048"));
}

#[test]
fn keys_that_are_cut_off_are_refused() {
    for algorithm in ALL {
        let whole = der(algorithm);
        for length in 0..whole.len() {
            let error = SigningKey::from_pkcs8_der(algorithm, &whole[..length]).unwrap_err();
            assert_eq!(error, KeyError::Rejected(algorithm), "{length} bytes");
        }
    }
}

#[test]
fn damaged_keys_never_panic_and_never_sign_for_another_public_key() {
    for algorithm in ALL {
        let whole = der(algorithm);
        let published = key(algorithm).verification_key().clone();
        let step = if algorithm == SigningAlgorithm::Rs256 { 13 } else { 1 };
        for at in (0..whole.len()).step_by(step) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            match SigningKey::from_pkcs8_der(algorithm, &damaged) {
                Err(error) => assert!(matches!(error, KeyError::Rejected(_) | KeyError::RsaSize), "{error}"),
                // An Ed25519 private key is any 32 bytes: other ones are another key.
                Ok(key) if algorithm == SigningAlgorithm::EdDsa => assert_ne!(*key.verification_key(), published),
                Ok(key) => panic!("{algorithm}: {key:?} in spite of byte {at}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_text_is_given_as_a_key_there_is_no_panic(
        parts in proptest::collection::vec("-----BEGIN (PRIVATE KEY)?-----|-----END |PRIVATE KEY-----|[\n \r=A-Z/+-]{0,9}|\\PC{0,9}", 0..8)
    ) {
        let text = parts.concat();
        for algorithm in ALL {
            prop_assert!(SigningKey::from_pkcs8_pem(algorithm, &text).is_err());
        }
        prop_assert!(VerificationKey::from_jwk(&text).is_err());
    }

    #[test]
    fn whatever_members_a_jwk_has_there_is_no_panic(
        kty in "EC|OKP|RSA|oct", crv in "P-256|Ed25519", x in "[A-Za-z0-9_=-]{0,90}", y in "[A-Za-z0-9_-]{43}"
    ) {
        let jwk = serde_json::json!({ "kty": kty, "crv": crv, "x": x, "y": y });
        let _ = VerificationKey::from_jwk(&jwk.to_string());
        let jwk = serde_json::json!({ "kty": kty, "n": x.repeat(10), "e": y });
        let _ = VerificationKey::from_jwk(&jwk.to_string());
    }
}

#[test]
fn no_error_and_no_debug_shows_a_private_key() {
    for algorithm in ALL {
        let key = key(algorithm);
        let exported = key.to_pkcs8_pem().unwrap();
        assert_eq!(format!("{exported:?}"), "PrivateKeyPem([redacted])");
        let kid = key.kid().to_owned();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ algorithm: {algorithm:?}, kid: {kid:?}, .. }}"));
        let issuer = issuer(algorithm);
        let printed = format!("{issuer:?} {:?} {:?}", issuer.keys(), issuer.jwks());
        for line in exported.expose().lines().filter(|line| line.len() > 8) {
            assert!(!printed.contains(line.trim_end_matches('=')), "{printed}");
        }
    }
}

#[test]
fn a_kid_fits_a_header() {
    for bad in ["", "é", "a\nb", &"x".repeat(256)] {
        assert_eq!(key(SigningAlgorithm::EdDsa).with_kid(bad).unwrap_err(), KeyError::Kid);
    }
    assert_eq!(key(SigningAlgorithm::EdDsa).with_kid("2026-11 \"a\"").unwrap().kid(), "2026-11 \"a\"");
}

#[tokio::test]
async fn an_own_kid_stands_in_header_and_document() {
    let issuer = issuer(SigningAlgorithm::Rs256);
    issuer
        .keys()
        .rotate(SigningKey::generate(SigningAlgorithm::Es256).unwrap().with_kid("2026 \"b\"").unwrap())
        .unwrap();
    let jwks = document(&issuer);
    let token = token(&layer(issuer)).await;
    assert_eq!(part(&token, 0)["kid"], "2026 \"b\"");
    verify(&token, &jwks).unwrap();
}

#[tokio::test]
async fn after_a_rotation_the_new_key_signs_and_old_tokens_still_verify() {
    let issuer = issuer(SigningAlgorithm::Rs256);
    let keys = issuer.keys().clone();
    let old_kid = keys.signing_kid();
    let layer = layer(issuer.clone());
    let old = token(&layer).await;

    keys.rotate(key(SigningAlgorithm::Es256)).unwrap();
    let new = token(&layer).await;
    assert_ne!(keys.signing_kid(), old_kid);
    assert_eq!(part(&new, 0)["kid"], keys.signing_kid());
    assert_eq!(part(&new, 0)["alg"], "ES256");
    let jwks = document(&issuer);
    verify(&old, &jwks).unwrap();
    verify(&new, &jwks).unwrap();

    assert!(keys.retire(&old_kid));
    assert!(!keys.retire(&old_kid));
    let jwks = document(&issuer);
    assert_eq!(verify(&old, &jwks).unwrap_err(), "no key of this kid");
    verify(&new, &jwks).unwrap();
    assert!(!keys.retire(&keys.signing_kid()), "the signing key stays published");
    verify(&token(&layer).await, &document(&issuer)).unwrap();
}

#[tokio::test]
async fn a_key_can_be_announced_before_it_signs_and_published_after_a_restart() {
    let upcoming = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let issuer = issuer(SigningAlgorithm::Es256);
    issuer.keys().publish(upcoming.verification_key().clone()).unwrap();
    issuer.keys().publish(upcoming.verification_key().clone()).unwrap();
    let announced = document(&issuer);
    issuer.keys().rotate(upcoming).unwrap();
    assert_eq!(issuer.keys().published().len(), 2);
    let layer = layer(issuer.clone());
    let token = token(&layer).await;
    verify(&token, &announced).unwrap();

    let saved: Vec<String> = issuer.keys().published().iter().map(VerificationKey::to_jwk).collect();
    let restarted = KeySet::new(key(SigningAlgorithm::Rs256));
    for jwk in saved {
        restarted.publish(VerificationKey::from_jwk(&jwk).unwrap()).unwrap();
    }
    let issuer = tower_password_grant::jwt::JwtIssuer::new(ISSUER, [AUDIENCE], restarted).unwrap();
    verify(&token, &document(&issuer)).unwrap();
}

#[test]
fn two_keys_of_one_kid_are_refused_and_nothing_changes() {
    let name = |key: SigningKey| key.with_kid("1").unwrap();
    let keys = KeySet::new(name(key(SigningAlgorithm::Es256)));
    let other = name(key(SigningAlgorithm::EdDsa));
    assert_eq!(keys.publish(other.verification_key().clone()).unwrap_err(), KeyError::KidInUse);
    assert_eq!(keys.rotate(other).unwrap_err(), KeyError::KidInUse);
    assert_eq!(keys.published(), [name(key(SigningAlgorithm::Es256)).verification_key().clone()]);
    keys.rotate(name(key(SigningAlgorithm::Es256))).unwrap();
    assert_eq!(keys.published().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_signed_by_an_unpublished_key_while_keys_rotate() {
    let issuer = issuer(SigningAlgorithm::Es256);
    let keys = issuer.keys().clone();
    let issued = Arc::new(AtomicUsize::new(0));
    let issued_before = issued.clone();
    let rotating = spawn(async move {
        for turn in 0..50 {
            // Some tokens come before the last rotations, however late this machine gets to them.
            while issued_before.load(Ordering::Relaxed) < turn / 10 {
                tokio::task::yield_now().await;
            }
            keys.rotate(SigningKey::generate(SigningAlgorithm::EdDsa).unwrap()).unwrap();
            tokio::task::yield_now().await;
        }
    });
    let layer = layer(issuer.clone());
    let mut kids = std::collections::HashSet::new();
    let mut is_last = false;
    while issued.load(Ordering::Relaxed) < 50 || !is_last {
        is_last = rotating.is_finished();
        let token = token(&layer).await;
        verify(&token, &document(&issuer)).unwrap();
        kids.insert(part(&token, 0)["kid"].to_string());
        issued.fetch_add(1, Ordering::Relaxed);
    }
    rotating.await.unwrap();
    assert!(kids.len() > 1);
}
