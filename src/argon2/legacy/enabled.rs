//! bcrypt, scrypt and PBKDF2.

use password_hash::phc::{Output, PasswordHash, Salt};
use pbkdf2::sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// bcrypt looks at so many bytes of a password.
const BCRYPT_BYTES: usize = 72;
/// What the block size and the repetitions of scrypt may be; its memory has a limit of its own.
const SCRYPT_BLOCK: u32 = 32;
const SCRYPT_REPEATS: u32 = 4;

/// The highest cost of a stored hash that is still computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// The exponent of bcrypt's cost.
    pub(crate) bcrypt: u32,
    /// scrypt's memory in KiB.
    pub(crate) scrypt: u64,
    /// PBKDF2's rounds.
    pub(crate) pbkdf2: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self { bcrypt: 14, scrypt: 128 * 1024, pbkdf2: 2_000_000 }
    }
}

/// A stored hash whose cost is below the limits.
pub(crate) enum Hash {
    Bcrypt(Box<str>),
    Scrypt(Box<(scrypt::Params, Salt, Output)>),
    Pbkdf2(Box<(Digest, u32, Salt, Output)>),
}

#[derive(Clone, Copy)]
pub(crate) enum Digest {
    Sha256,
    Sha512,
}

impl Hash {
    pub(crate) fn read(text: &str, caps: &Caps) -> Option<Self> {
        match text.get(1..)?.split('$').next()? {
            "2a" | "2b" | "2y" => bcrypt_hash(text, caps),
            "scrypt" => scrypt_hash(text, caps),
            "pbkdf2-sha256" => pbkdf2_hash(text, caps, Digest::Sha256),
            "pbkdf2-sha512" => pbkdf2_hash(text, caps, Digest::Sha512),
            _ => None,
        }
    }

    /// Whether the password is right; `None` if this function cannot tell it from every other password.
    pub(crate) fn matches(&self, password: &[u8]) -> Option<bool> {
        // All three fill the password up with zero bytes: `a` and `a\0` would be one password.
        if password.contains(&0) {
            return None;
        }
        match self {
            Self::Bcrypt(text) => {
                (password.len() <= BCRYPT_BYTES).then(|| bcrypt::verify(password, text).ok()).flatten()
            }
            Self::Scrypt(hash) => {
                let (params, salt, expected) = &**hash;
                compare(expected, |output| scrypt::scrypt(password, salt, params, output).is_ok())
            }
            Self::Pbkdf2(hash) => {
                let (digest, rounds, salt, expected) = &**hash;
                compare(expected, |output| {
                    match digest {
                        Digest::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *rounds, output),
                        Digest::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, *rounds, output),
                    }
                    true
                })
            }
        }
    }
}

fn compare(expected: &Output, compute: impl FnOnce(&mut [u8]) -> bool) -> Option<bool> {
    let mut buffer = Zeroizing::new([0; Output::MAX_LENGTH]);
    let output = buffer.get_mut(..expected.len())?;
    compute(output).then(|| expected.as_bytes().ct_eq(output).into())
}

fn bcrypt_hash(text: &str, caps: &Caps) -> Option<Hash> {
    let cost = text.parse::<bcrypt::HashParts>().ok()?.get_cost();
    (4..=caps.bcrypt).contains(&cost).then(|| Hash::Bcrypt(text.into()))
}

/// `$scrypt$ln=..,r=..,p=..$salt$hash`. The limits come before the crate's own check, which multiplies what it was given.
fn scrypt_hash(text: &str, caps: &Caps) -> Option<Hash> {
    let hash = PasswordHash::new(text).ok()?;
    let parameter = |name| hash.params.get_decimal(name);
    let (log_n, block, repeats) = (parameter("ln")?, parameter("r")?, parameter("p")?);
    let rows = 1_u64.checked_shl(log_n).filter(|rows| *rows > 1)?;
    let kib = rows.checked_mul(u64::from(block))?.checked_mul(128)? / 1024;
    if kib > caps.scrypt || block > SCRYPT_BLOCK || repeats > SCRYPT_REPEATS || hash.version.is_some() {
        return None;
    }
    let params = scrypt::Params::new(u8::try_from(log_n).ok()?, block, repeats).ok()?;
    Some(Hash::Scrypt(Box::new((params, hash.salt?, hash.hash?))))
}

/// `$pbkdf2-sha256$i=..,l=..$salt$hash`.
fn pbkdf2_hash(text: &str, caps: &Caps, digest: Digest) -> Option<Hash> {
    let hash = PasswordHash::new(text).ok()?;
    let rounds = hash.params.get_decimal("i")?;
    if !(1..=caps.pbkdf2).contains(&rounds) || hash.version.is_some() {
        return None;
    }
    Some(Hash::Pbkdf2(Box::new((digest, rounds, hash.salt?, hash.hash?))))
}

#[cfg(test)]
#[path = "enabled_tests.rs"]
mod tests;
