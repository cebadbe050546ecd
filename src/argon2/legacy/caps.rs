//! What a stored hash may cost.

use crate::argon2::error::Argon2ConfigError;
use crate::argon2::settings::check;

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
