//! A stored Argon2 hash.

use std::str;

use argon2::{Algorithm, Params, Version};
use password_hash::phc::{Output, PasswordHash, Salt};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::engine::{Engine, Function};
use super::error::HashError;
use super::parameters::{Argon2Parameters, OUTPUT, SALT};
use super::unusable::{ABOVE, MALFORMED};
use crate::protocol::secret::secret_keys::SecretKeys;

const UNKNOWN_KEY: &str = "no secret key has the id that it names: give that key to the verifier as an older one";

/// The bytes of a hash as libraries make it. What a column has cut off has seldom one of these lengths, and is right for no
/// password: the length is part of what is hashed.
const USUAL: [usize; 6] = [16, 20, 24, 32, 48, 64];

/// The highest cost of a stored Argon2 hash that is still computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) memory: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Argon2Hash {
    pub(super) fn read(text: &str, caps: &Caps, keys: Option<&SecretKeys>) -> Result<Self, &'static str> {
        let hash = PasswordHash::new(text).map_err(|_| MALFORMED)?;
        let params = Params::try_from(&hash).map_err(|_| MALFORMED)?;
        if params.m_cost() > caps.memory || params.t_cost() > caps.passes || params.p_cost() > caps.lanes {
            return Err(ABOVE);
        }
        // A hash from before the version was written down has the first one.
        let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| MALFORMED)?;
        let algorithm = Algorithm::new(hash.algorithm.as_str()).map_err(|_| MALFORMED)?;
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else { return Err(MALFORMED) };
        let read = Self { algorithm, version, params, salt, output };
        if !read.params.keyid().is_empty() && read.key(keys).is_none() {
            return Err(UNKNOWN_KEY);
        }
        Ok(read)
    }

    /// The key that it names.
    fn key<'k>(&self, keys: Option<&'k SecretKeys>) -> Option<&'k [u8]> {
        keys?.expose(str::from_utf8(self.params.keyid()).ok()?)
    }

    /// Whether the password is right; otherwise why that cannot be said.
    pub(super) fn matches(
        &self,
        password: &[u8],
        keys: Option<&SecretKeys>,
        engine: &mut dyn Engine,
    ) -> Result<Result<bool, &'static str>, HashError> {
        let secret = self.key(keys).unwrap_or_default();
        let function = Function { algorithm: self.algorithm, version: self.version, params: &self.params, secret };
        let mut buffer = Zeroizing::new([0; Output::MAX_LENGTH]);
        let Some(output) = buffer.get_mut(..self.output.len()) else { return Ok(Err(MALFORMED)) };
        match engine.run(&function, password, &self.salt, output) {
            Ok(()) => Ok(Ok(self.output.as_bytes().ct_eq(output).into())),
            Err(HashError::Memory) => Err(HashError::Memory),
            Err(_) => Ok(Err(MALFORMED)),
        }
    }

    /// Whether a password that was not right says nothing of the user, because none is.
    pub(super) fn seems_cut_off(&self) -> bool {
        !USUAL.contains(&self.output.len())
    }

    pub(super) fn is_current(&self, parameters: &Argon2Parameters, keys: Option<&SecretKeys>) -> bool {
        let cost = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && cost == parameters.cost()
            && self.params.keyid() == keys.map(SecretKeys::current_id).unwrap_or_default().as_bytes()
            && self.params.data().is_empty()
            && self.salt.len() >= SALT
            && self.output.len() == OUTPUT
    }
}
