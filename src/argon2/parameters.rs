//! The cost of a new hash.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use zeroize::Zeroizing;

use super::config::Argon2ConfigError;
use super::memory::Memory;
use crate::protocol::explained::explained;
use crate::protocol::secrets::Password;

/// Bytes of a new salt and of a new hash, as RFC 9106 section 4 recommends.
pub(super) const SALT: usize = 16;
pub(super) const OUTPUT: usize = 32;

/// The cost of new hashes: Argon2id (RFC 9106), version 0x13.
///
/// Default: 19,456 KiB of memory, 2 passes, 1 lane, about 15 ms. Change it when your own measurement on the server allows
/// more; hashes with another cost are upgraded when their users log in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argon2Parameters(Params);

impl Argon2Parameters {
    /// `memory` in KiB (at least 8 for each lane), `passes` over it (at least 1) and `lanes` (at least 1). Lanes are
    /// worked off one after the other on the same thread: more of them don't make a hash faster here.
    ///
    /// # Errors
    /// Fails when a value is outside what RFC 9106 allows.
    pub fn new(memory: u32, passes: u32, lanes: u32) -> Result<Self, Argon2ConfigError> {
        Params::new(memory, passes, lanes, None).map(Self).map_err(|_| Argon2ConfigError::Parameters)
    }

    /// Hashes a password on the calling thread, with memory of its own: for tools and tests. In a server use
    /// [`Argon2Verifier::hash_password`](super::Argon2Verifier::hash_password), which keeps within the verifier's threads.
    ///
    /// # Errors
    /// Fails when the operating system gives no memory or no randomness.
    pub fn hash_blocking(&self, password: &Password) -> Result<String, HashError> {
        let mut memory = Memory::for_parameters(self)?;
        self.hash(password.expose().as_bytes(), &mut memory)
    }

    pub(super) fn cost(&self) -> (u32, u32, u32) {
        (self.0.m_cost(), self.0.t_cost(), self.0.p_cost())
    }

    pub(super) fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.0.clone())
    }

    /// A new PHC string with a salt from the operating system.
    pub(super) fn hash(&self, password: &[u8], memory: &mut Memory) -> Result<String, HashError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| HashError::Randomness)?;
        let mut output = Zeroizing::new([0; OUTPUT]);
        memory.run(&self.argon2(), password, &salt, output.as_mut_slice())?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.0).map_err(|_| HashError::Unusable)?,
            salt: Some(Salt::new(&salt).map_err(|_| HashError::Unusable)?),
            hash: Some(Output::new(output.as_slice()).map_err(|_| HashError::Unusable)?),
        };
        Ok(hash.to_string())
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
}

impl fmt::Debug for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
