//! What is inside a refresh token: place (2 bytes), selector (16), secret (32), and the end of the digest of these (4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tower_password_grant::store::{FamilyId, SecretDigest};

/// A refresh token of the right form that nobody was given.
pub fn stray_refresh_token(number: usize) -> String {
    let mut bytes = [0x5a; 54];
    bytes[42..50].copy_from_slice(&number.to_be_bytes());
    bytes[2..10].copy_from_slice(&number.to_be_bytes());
    let digest = Sha256::digest(&bytes[..50]);
    bytes[50..].copy_from_slice(&digest[28..]);
    format!("rt_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The family by which the login of a token is found.
pub fn family_of(token: &str) -> FamilyId {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("rt_").unwrap()).unwrap();
    let digest = Sha256::new().chain_update(b"family of refresh tokens\0").chain_update(&bytes[2..18]).finalize();
    FamilyId::from_bytes([&bytes[..2], &digest[..14]].concat().try_into().unwrap())
}

/// What a store keeps of a refresh token: the digest of all but its last four bytes, which are the end of it.
pub fn kept_digest(token: &str) -> SecretDigest {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix("rt_").unwrap()).unwrap();
    let digest: [u8; 32] = Sha256::digest(&bytes[..50]).into();
    assert_eq!(digest[28..], bytes[50..]);
    SecretDigest::from_bytes(digest)
}
