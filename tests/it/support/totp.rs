//! An authenticator app (RFC 6238, RFC 4226), written apart from the library's.

use std::time::Duration;

use sha1::{Digest as _, Sha1};

/// The code of this secret at this time since 1970.
pub fn totp(secret: &str, time: Duration) -> String {
    let key = base32(secret);
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(&key);
    let padded = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha1::new().chain_update(padded(0x36)).chain_update((time.as_secs() / 30).to_be_bytes()).finalize();
    let hash = Sha1::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// RFC 4648 section 6, without padding.
fn base32(text: &str) -> Vec<u8> {
    let bits: Vec<u8> = text
        .bytes()
        .map(|letter| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap())
        .flat_map(|value| (0..5).rev().map(move |bit| (value >> bit & 1) as u8))
        .collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
}
