//! bcrypt, scrypt and PBKDF2, in the texts of the systems that wrote them.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::bcrypt_texts::Bcrypt;
use super::pbkdf2_texts::Pbkdf2;
use super::scrypt_texts::Scrypt;
use crate::argon2::config::Argon2ConfigError;
use crate::argon2::formats::{Format, Known};
use crate::argon2::settings::check;
use crate::argon2::unusable::{MALFORMED, UnusableHash};

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

impl Caps {
    pub(crate) fn check(self) -> Result<(), Argon2ConfigError> {
        check("max_bcrypt_cost", (4..=31).contains(&self.bcrypt), "4 to 31")?;
        check("max_scrypt_memory", (1..=4 << 20).contains(&self.scrypt), "1 to 4,194,304 KiB")?;
        check("max_pbkdf2_rounds", self.pbkdf2 > 0, "1 round or more")
    }
}

/// What is wrong with a text: it cannot be read, or costs too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Malformed,
    Costly(&'static str),
}

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
