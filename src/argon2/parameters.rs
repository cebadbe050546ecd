//! The cost of a new hash.

use std::borrow::Cow;

use argon2::{Algorithm, KeyId, Params, ParamsBuilder, Version};
use password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use zeroize::Zeroizing;

use super::engine::{Chosen, Engine, Function};
use super::error::{Argon2ConfigError, HashError};
use crate::protocol::secret::secret_keys::SecretKeys;
use crate::protocol::secret::secrets::Password;

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
        self.hash(password.expose().as_bytes(), None, &mut Chosen::of(self.blocks())?)
    }

    /// [`hash_blocking`](Self::hash_blocking) with the current one of the verifier's keys
    /// ([`secret_keys`](super::Argon2VerifierBuilder::secret_keys)). A hash without a key is right as well, and upgraded when
    /// its user logs in.
    ///
    /// # Errors
    /// As [`hash_blocking`](Self::hash_blocking).
    pub fn hash_blocking_with(&self, password: &Password, keys: &SecretKeys) -> Result<String, HashError> {
        self.hash(password.expose().as_bytes(), Some(keys), &mut Chosen::of(self.blocks())?)
    }

    pub(super) fn cost(&self) -> (u32, u32, u32) {
        (self.0.m_cost(), self.0.t_cost(), self.0.p_cost())
    }

    pub(super) fn blocks(&self) -> usize {
        self.0.block_count()
    }

    /// The parameters as a new hash has them: with the id of the current key.
    pub(super) fn params(&self, keys: Option<&SecretKeys>) -> Result<Cow<'_, Params>, HashError> {
        let Some(keys) = keys else { return Ok(Cow::Borrowed(&self.0)) };
        let (memory, passes, lanes) = self.cost();
        let id = KeyId::new(keys.current_id().as_bytes()).map_err(|_| HashError::Unusable)?;
        let params = ParamsBuilder::new().m_cost(memory).t_cost(passes).p_cost(lanes).keyid(id).build();
        params.map(Cow::Owned).map_err(|_| HashError::Unusable)
    }

    /// The function of a new hash, with the current key.
    pub(super) fn function<'a>(params: &'a Params, keys: Option<&'a SecretKeys>) -> Function<'a> {
        let secret = keys.map(SecretKeys::expose_current).unwrap_or_default();
        Function { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, secret }
    }

    /// A new PHC string with a salt from the operating system.
    pub(super) fn hash(
        &self,
        password: &[u8],
        keys: Option<&SecretKeys>,
        engine: &mut dyn Engine,
    ) -> Result<String, HashError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|_| HashError::Randomness)?;
        let mut output = Zeroizing::new([0; OUTPUT]);
        let params = self.params(keys)?;
        engine.run(&Self::function(&params, keys), password, &salt, output.as_mut_slice())?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&*params).map_err(|_| HashError::Unusable)?,
            salt: Some(Salt::new(&salt).map_err(|_| HashError::Unusable)?),
            hash: Some(Output::new(output.as_slice()).map_err(|_| HashError::Unusable)?),
        };
        Ok(hash.to_string())
    }
}
