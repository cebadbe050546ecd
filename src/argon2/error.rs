//! What can go wrong when a verifier is built or a password hashed.

use std::fmt;

use crate::protocol::explained::explained;

/// An [`Argon2Verifier`](super::Argon2Verifier) could not be built.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Argon2ConfigError {
    /// Parameters outside what RFC 9106 section 3.1 allows.
    #[error(
        "Argon2 does not allow these parameters (RFC 9106 section 3.1): one pass, one lane and 8 KiB for each lane are the least"
    )]
    Parameters,
    /// No thread was asked for.
    #[error("hashing needs at least one thread: leave `threads` out, or give more than 0")]
    NoThreads,
    /// A setting is out of its range. It is never cut to fit.
    #[error("`{setting}` is out of range: choose {range}")]
    Setting {
        /// The method of the builder.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// The hash cannot be made: no memory, for example.
    #[error("no hash can be made with these parameters")]
    Hash(#[from] HashError),
    /// A hash whose result is known came out as another one: no password may be hashed or compared.
    #[error(
        "Argon2 gives wrong hashes here (RFC 9106 section 5): build without the feature `argon2-fast`, or check the machine"
    )]
    KnownAnswers,
    /// A thread could not be started.
    #[error("a hashing thread could not be started: raise the limit of threads or memory, or lower `threads`")]
    Threads(#[source] std::io::Error),
}

impl fmt::Debug for Argon2ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// A password could not be hashed.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The operating system gave no memory.
    #[error("there is no memory for the password hash: give the process more, or use parameters that need less")]
    Memory,
    /// The operating system gave no randomness for the salt.
    #[error("the operating system gave no randomness for the salt")]
    Randomness,
    /// The hash function refused its input: a password of 4 GiB, for example.
    #[error("the password cannot be hashed")]
    Unusable,
    /// The password has a character that its [preparation](crate::user::PasswordPreparation) does not allow.
    #[error("the password has a character that its preparation does not allow: choose another one")]
    Prohibited,
}

impl fmt::Debug for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
