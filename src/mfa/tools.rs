//! The mechanisms that second factors are served with.

use std::time::SystemTime;

use super::otp;
use super::sealing::Sealer;
use crate::boundary::factors::tools::{FactorTools, NewOtp, SealedKind, Unlocked};
use crate::protocol::secret::secret_keys::SecretKeys;
use crate::protocol::secret::secrets::RandomnessError;

/// Sealing under the application's keys, and codes of authenticator apps.
pub(super) struct Tools {
    sealer: Sealer,
    /// What authenticator apps show beside the account.
    application: String,
}

impl Tools {
    pub(super) fn new(keys: &SecretKeys, application: String) -> Self {
        Self { sealer: Sealer::new(keys), application }
    }
}

impl FactorTools for Tools {
    fn seal(&self, kind: SealedKind, context: &[&str], plain: &[u8]) -> Result<Vec<u8>, RandomnessError> {
        self.sealer.seal(kind, context, plain)
    }

    fn open(&self, kind: SealedKind, context: &[&str], sealed: Vec<u8>) -> Option<Unlocked> {
        self.sealer.open(kind, context, sealed)
    }

    fn matching_step(&self, secret: &[u8], code: &str, now: SystemTime) -> Option<u64> {
        otp::matching_step(secret, code, now)
    }

    fn new_otp(&self, account: &str) -> Result<NewOtp, RandomnessError> {
        otp::new_otp(&self.application, account)
    }
}
