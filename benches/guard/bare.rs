//! The verification of a signature, and nothing else: what a guard over signed tokens cannot do without.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_password_grant::jwt::{SigningAlgorithm, VerificationKey};

pub struct Bare {
    key: ParsedPublicKey,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    pub fn new(key: &VerificationKey, token: &str) -> Self {
        let jwk: Value = serde_json::from_str(&key.to_jwk()).unwrap();
        let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let key = match key.algorithm() {
            SigningAlgorithm::Es256 => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], member("x"), member("y")].concat())
            }
            SigningAlgorithm::EdDsa => ParsedPublicKey::new(&ED25519, member("x")),
            other => panic!("{other} is not measured"),
        };
        let (signed, signature) = token.rsplit_once('.').unwrap();
        Self {
            key: key.unwrap(),
            signed: signed.as_bytes().to_vec(),
            signature: URL_SAFE_NO_PAD.decode(signature).unwrap(),
        }
    }

    pub fn verify(&self) {
        self.key.verify_sig(&self.signed, &self.signature).unwrap();
    }
}
