//! The recording of what became of a request: for telemetry and for the audit sink.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::telemetry;
use crate::boundary::account::AccountKey;
use crate::boundary::audit::{AccountDigest, AuditEvent, AuditSink};
use crate::boundary::clock::Clock;
use crate::protocol::wire::error::TokenError;

/// In the byte of its kind: an account of a realm, which stands before its name.
const OF_REALM: u8 = 0x80;

/// Builds the events, and spares the work where nobody listens.
pub(crate) struct Auditor {
    sink: Option<Box<dyn AuditSink>>,
    /// Keys the digests of user names.
    key: Zeroizing<[u8; 32]>,
}

impl Auditor {
    pub(crate) fn new(sink: Option<Box<dyn AuditSink>>, key: Zeroizing<[u8; 32]>) -> Self {
        Self { sink, key }
    }

    /// Whether anybody would see an event.
    pub(crate) fn is_observed(&self) -> bool {
        self.sink.is_some() || telemetry::is_enabled()
    }

    /// When a request began to be answered, if an event will show how long it took.
    pub(crate) fn starts(&self, clock: &dyn Clock) -> Option<Duration> {
        (telemetry::COUNTS || self.is_observed()).then(|| clock.elapsed())
    }

    /// The digest of an account, if anybody would see it.
    pub(crate) fn digest(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Option<AccountDigest> {
        self.is_observed().then(|| self.digest_of(realm, account))
    }

    /// The digest of an account in its realm.
    pub(crate) fn digest_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> AccountDigest {
        let mut digest = Sha256::new().chain_update(*self.key);
        let kind = account.kind() as u8;
        match realm {
            None => digest.update([kind]),
            // The length says where the account begins.
            Some(realm) => {
                digest.update([kind | OF_REALM]);
                digest.update((realm.len() as u64).to_le_bytes());
                digest.update(realm);
            }
        }
        digest.update(account.as_str());
        let full: [u8; 32] = digest.finalize().into();
        let mut short = [0; 16];
        short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        AccountDigest(short)
    }

    /// When a request that began at `started` was answered, and how long it took, if anything takes note of it.
    #[inline]
    pub(crate) fn times(&self, clock: &dyn Clock, started: Option<Duration>) -> Option<(SystemTime, Duration)> {
        let taken = || clock.elapsed().saturating_sub(started.unwrap_or(Duration::MAX));
        (telemetry::COUNTS || self.is_observed()).then(|| (clock.now(), taken()))
    }

    /// Counts an answer, and says it to everything that listens.
    pub(crate) fn record(&self, event: &AuditEvent<'_>, error: Option<&TokenError>, begins_password_login: bool) {
        telemetry::count(event, begins_password_login);
        self.tell(event, error);
    }

    /// Says an event to everything that listens, which is no answer if nothing counts it.
    pub(crate) fn tell(&self, event: &AuditEvent<'_>, error: Option<&TokenError>) {
        if !self.is_observed() {
            return;
        }
        telemetry::answered(event, error);
        if let Some(sink) = &self.sink
            && catch_unwind(AssertUnwindSafe(|| sink.record(event))).is_err()
        {
            telemetry::audit_failed();
        }
    }
}
