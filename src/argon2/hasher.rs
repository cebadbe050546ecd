//! One job of a hashing thread: is it this user's password?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use super::engine::{Chosen, Engine};
use super::error::HashError;
use super::parameters::{Argon2Parameters, OUTPUT, SALT};
use super::pool::Work;
use super::stored::{Readable, Stored};
use super::unusable::{MALFORMED, UnusableHash};
use crate::protocol::secret::secrets::Password;
use crate::protocol::user::preparation::PasswordPreparation;

/// What all jobs share.
pub(super) struct Hasher {
    pub(super) parameters: Argon2Parameters,
    pub(super) readable: Readable,
    pub(super) preparation: Option<PasswordPreparation>,
    /// The salt of the runs whose result is not used.
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
    pub(super) unusable: Option<UnusableHash>,
}

impl Work for Job {
    type Memory = Chosen;
    type Answer = Result<Done, HashError>;

    fn run(self, engine: &mut Chosen) -> Self::Answer {
        let Self { hasher, password, task } = self;
        let (verdict, fresh) = match task {
            Task::Make => (Checked::Wrong, Some(hasher.make(&password, engine)?)),
            Task::Check { stored, upgrade } => hasher.check(&password, stored.as_deref(), upgrade, engine)?,
        };
        let unusable = match verdict {
            Checked::Unusable(unusable) => Some(unusable),
            Checked::Wrong | Checked::Right => None,
        };
        Ok(Done { password, right: verdict == Checked::Right, fresh, unusable })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Wrong,
    Right,
    /// No password can be compared with it.
    Unusable(UnusableHash),
}

/// What a comparison gave.
struct Compared {
    is_right: Result<bool, UnusableHash>,
    /// Whether the stored hash is what a new one would be.
    is_current: bool,
    /// It has cost nothing, or may have.
    needs_run: bool,
}

impl Hasher {
    /// Compares the password with a stored hash, and makes a new one for a right password if `upgrade` says so. Whatever cannot
    /// be compared takes one run with the current parameters, as an unknown user does.
    pub(super) fn check(
        &self,
        password: &Password,
        stored: Option<&str>,
        upgrade: bool,
        engine: &mut dyn Engine,
    ) -> Result<(Checked, Option<String>), HashError> {
        let Some(stored) = stored else {
            self.decoy(password.expose().as_bytes(), engine)?;
            return Ok((Checked::Wrong, None));
        };
        let compared = match self.readable.read(stored) {
            Ok(stored) => self.compare(password, &stored, engine)?,
            Err(unusable) => Compared { is_right: Err(unusable), is_current: false, needs_run: true },
        };
        let is_outdated = compared.is_right == Ok(true) && !compared.is_current;
        // Without a new hash the old one goes on to serve, so that failing here fails no login.
        let fresh = (upgrade && is_outdated).then(|| self.make(password, engine).ok()).flatten();
        if compared.needs_run && fresh.is_none() {
            self.decoy(password.expose().as_bytes(), engine)?;
        }
        let checked = match compared.is_right {
            Ok(true) => Checked::Right,
            Ok(false) => Checked::Wrong,
            Err(unusable) => {
                self.unusable.fetch_add(1, Ordering::Relaxed);
                Checked::Unusable(unusable)
            }
        };
        Ok((checked, fresh))
    }

    fn compare(
        &self,
        password: &Password,
        stored: &Stored<'_>,
        engine: &mut dyn Engine,
    ) -> Result<Compared, HashError> {
        let as_sent = password.expose().as_bytes();
        Ok(match stored {
            Stored::Argon2 { hash, name, is_foreign } => {
                let prepared = if *is_foreign { Ok(None) } else { self.prepare(password) };
                let Ok(prepared) = prepared else {
                    // Nobody could have set it.
                    return Ok(Compared { is_right: Ok(false), is_current: false, needs_run: true });
                };
                self.count();
                let given = prepared.as_ref().map_or(as_sent, |prepared| prepared.expose().as_bytes());
                let keys = self.readable.keys.as_ref();
                let compared = hash.matches(given, keys, engine)?;
                let is_right = match compared {
                    Ok(false) if hash.seems_cut_off() => Err(MALFORMED),
                    _ => compared,
                };
                Compared {
                    is_right: is_right.map_err(|cause| UnusableHash::of(name, cause)),
                    is_current: !is_foreign && hash.is_current(&self.parameters, keys),
                    needs_run: compared.is_err(),
                }
            }
            Stored::Legacy { hash, name } => {
                let is_right = hash.matches(as_sent).map_err(|cause| UnusableHash::of(name, cause));
                let has_run = is_right.is_ok();
                if has_run {
                    self.count();
                }
                Compared { is_right, is_current: false, needs_run: !has_run }
            }
            Stored::Own { format, text } => {
                let is_right = format.verify(text, password);
                let is_right = is_right.map_err(|unusable| UnusableHash::of(format.name(), unusable.cause));
                Compared { is_right, is_current: false, needs_run: true }
            }
        })
    }

    /// The dummy hash of an unknown user: a run with the current parameters that is right for no password.
    pub(super) fn decoy(&self, password: &[u8], engine: &mut dyn Engine) -> Result<(), HashError> {
        self.count();
        let mut output = Zeroizing::new([0; OUTPUT]);
        let params = self.parameters.params(self.readable.keys.as_ref())?;
        let function = Argon2Parameters::function(&params, self.readable.keys.as_ref());
        engine.run(&function, password, &self.decoy_salt, output.as_mut_slice())
    }

    fn make(&self, password: &Password, engine: &mut dyn Engine) -> Result<String, HashError> {
        let prepared = self.prepare(password)?;
        self.count();
        let secret = prepared.as_ref().unwrap_or(password).expose().as_bytes();
        self.parameters.hash(secret, self.readable.keys.as_ref(), engine)
    }

    /// The password as it is hashed, if that is not as it was sent.
    fn prepare(&self, password: &Password) -> Result<Option<Password>, HashError> {
        let prepared = self.preparation.as_ref().map(|preparation| preparation.apply(password));
        prepared.transpose().map_err(|_| HashError::Prohibited)
    }

    fn count(&self) {
        self.hashes.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "hasher_tests.rs"]
mod tests;
