//! bcrypt, scrypt and PBKDF2, in the texts of the systems that wrote them.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::bcrypt_texts::Bcrypt;
use super::caps::{Caps, Flaw};
use super::pbkdf2_texts::Pbkdf2;
use super::scrypt_texts::Scrypt;
use crate::argon2::formats::{Format, Known};
use crate::argon2::unusable::{MALFORMED, UnusableHash};

/// A stored hash whose cost is below the limits.
pub(crate) enum Hash {
    Bcrypt(Box<Bcrypt>),
    Scrypt(Box<Scrypt>),
    Pbkdf2(Box<Pbkdf2>),
}

impl Hash {
    pub(crate) fn read(known: &Known<'_>, caps: &Caps) -> Result<Self, UnusableHash> {
        let cause = |flaw| match flaw {
            Flaw::Malformed => UnusableHash::of(known.name, MALFORMED),
            Flaw::Costly(cause) => UnusableHash::of(known.name, cause),
        };
        match known.format {
            Format::Bcrypt | Format::BcryptOfSha256Django | Format::BcryptOfSha256Passlib => {
                Bcrypt::read(known, caps).map(|hash| Self::Bcrypt(Box::new(hash)))
            }
            Format::Scrypt | Format::ScryptDjango | Format::ScryptWerkzeug | Format::ScryptSpring => {
                Scrypt::read(known, caps).map(|hash| Self::Scrypt(Box::new(hash)))
            }
            Format::Argon2 => Err(Flaw::Malformed),
            _ => Pbkdf2::read(known, caps).map(|hash| Self::Pbkdf2(Box::new(hash))),
        }
        .map_err(cause)
    }

    /// Whether the password is right; otherwise why this function cannot tell it from every other password.
    pub(crate) fn matches(&self, password: &[u8]) -> Result<bool, &'static str> {
        // All of them fill the password up with zero bytes: `a` and `a\0` would be one password.
        if password.contains(&0) {
            return Err("the password has a zero byte");
        }
        match self {
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Scrypt(hash) => compare(&hash.expected, |output| hash.compute(password, output)),
            Self::Pbkdf2(hash) => compare(&hash.expected, |output| hash.compute(password, output)),
        }
    }
}

fn compare(expected: &[u8], compute: impl FnOnce(&mut [u8]) -> bool) -> Result<bool, &'static str> {
    let mut output = Zeroizing::new(vec![0; expected.len()]);
    if compute(&mut output) { Ok(expected.ct_eq(&output).into()) } else { Err(MALFORMED) }
}

#[cfg(test)]
#[path = "enabled_tests.rs"]
mod tests;
