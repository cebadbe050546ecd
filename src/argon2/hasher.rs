//! One job of a hashing thread: is it this user's password?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{Algorithm, Argon2, Params, Version};
use password_hash::phc::{Output, PasswordHash, Salt};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::legacy;
use super::memory::Memory;
use super::parameters::{Argon2Parameters, HashError, OUTPUT, SALT};
use super::pool::Work;
use crate::protocol::secrets::Password;

/// The highest cost of a stored Argon2 hash that is still computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) memory: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

/// What all jobs share.
pub(super) struct Hasher {
    pub(super) parameters: Argon2Parameters,
    pub(super) caps: Caps,
    pub(super) legacy: legacy::Caps,
    /// The salt of the runs whose result nobody looks at.
    pub(super) decoy_salt: [u8; SALT],
    pub(super) hashes: AtomicU64,
    pub(super) unusable: AtomicU64,
}

pub(super) struct Job {
    pub(super) hasher: Arc<Hasher>,
    pub(super) password: Password,
    pub(super) task: Task,
}

pub(super) enum Task {
    /// Compares with the stored hash, if there is one. A right password whose hash has another cost or algorithm than the
    /// current one is hashed anew in the same go if `upgrade` says so.
    Check { stored: Option<String>, upgrade: bool },
    /// Makes a new hash.
    Make,
}

pub(super) struct Done {
    /// Given back, for a second look.
    pub(super) password: Password,
    pub(super) right: bool,
    pub(super) fresh: Option<String>,
}

impl Work for Job {
    type Memory = Memory;
    type Answer = Result<Done, HashError>;

    fn run(self, memory: &mut Memory) -> Self::Answer {
        let Self { hasher, password, task } = self;
        let secret = password.expose().as_bytes();
        let (right, fresh) = match task {
            Task::Make => (false, Some(hasher.make(secret, memory)?)),
            Task::Check { stored, upgrade } => {
                let verdict = hasher.check(secret, stored.as_deref(), memory)?;
                let outdated = verdict == Checked::Right { current: false };
                // Without a new hash the old one goes on to serve, so that failing here fails no login.
                let fresh = (upgrade && outdated).then(|| hasher.make(secret, memory).ok()).flatten();
                (verdict != Checked::Wrong, fresh)
            }
        };
        Ok(Done { password, right, fresh })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Wrong,
    Right {
        /// Whether the stored hash is what a new one would be.
        current: bool,
    },
}

impl Hasher {
    /// Compares the password with a stored hash. Whatever cannot be compared takes one run with the current parameters,
    /// as an unknown user does.
    pub(super) fn check(
        &self,
        password: &[u8],
        stored: Option<&str>,
        memory: &mut Memory,
    ) -> Result<Checked, HashError> {
        let readable = stored.map(|text| self.read(text));
        if let Some(None) = readable {
            self.unusable.fetch_add(1, Ordering::Relaxed);
        }
        let checked = match readable.flatten() {
            Some(Stored::Argon2(hash)) => {
                self.count();
                hash.matches(password, memory)?.map(|right| (right, hash.is_current(&self.parameters)))
            }
            Some(Stored::Legacy(hash)) => hash
                .matches(password)
                .inspect(|_| {
                    self.count();
                })
                .map(|right| (right, false)),
            None => None,
        };
        match checked {
            Some((true, current)) => Ok(Checked::Right { current }),
            Some((false, _)) => Ok(Checked::Wrong),
            None => self.decoy(password, memory).map(|()| Checked::Wrong),
        }
    }

    /// A run with the current parameters that is right for no password.
    pub(super) fn decoy(&self, password: &[u8], memory: &mut Memory) -> Result<(), HashError> {
        self.count();
        let mut output = Zeroizing::new([0; OUTPUT]);
        memory.run(&self.parameters.argon2(), password, &self.decoy_salt, output.as_mut_slice())
    }

    fn make(&self, password: &[u8], memory: &mut Memory) -> Result<String, HashError> {
        self.count();
        self.parameters.hash(password, memory)
    }

    fn count(&self) {
        self.hashes.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads a stored hash whose cost is below the limits. Goes by the prefix first: a parser for one format makes
    /// nonsense of another.
    fn read(&self, text: &str) -> Option<Stored> {
        if !text.is_ascii() || text.len() > 512 {
            return None;
        }
        if text.starts_with("$argon2") {
            Argon2Hash::read(text, &self.caps).map(|hash| Stored::Argon2(Box::new(hash)))
        } else {
            legacy::Hash::read(text, &self.legacy).map(Stored::Legacy)
        }
    }
}

enum Stored {
    Argon2(Box<Argon2Hash>),
    Legacy(legacy::Hash),
}

struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Argon2Hash {
    fn read(text: &str, caps: &Caps) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        if params.m_cost() > caps.memory || params.t_cost() > caps.passes || params.p_cost() > caps.lanes {
            return None;
        }
        // A hash from before the version was written down has the first one.
        let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?;
        let algorithm = Algorithm::new(hash.algorithm.as_str()).ok()?;
        Some(Self { algorithm, version, params, salt: hash.salt?, output: hash.hash? })
    }

    fn matches(&self, password: &[u8], memory: &mut Memory) -> Result<Option<bool>, HashError> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut buffer = Zeroizing::new([0; Output::MAX_LENGTH]);
        let Some(output) = buffer.get_mut(..self.output.len()) else { return Ok(None) };
        match memory.run(&argon2, password, &self.salt, output) {
            Ok(()) => Ok(Some(self.output.as_bytes().ct_eq(output).into())),
            Err(HashError::Unusable) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_current(&self, parameters: &Argon2Parameters) -> bool {
        let cost = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && cost == parameters.cost()
            && self.params.data().is_empty()
            && self.salt.len() >= SALT
            && self.output.len() == OUTPUT
    }
}

#[cfg(test)]
#[path = "hasher_tests.rs"]
mod tests;
