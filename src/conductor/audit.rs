//! Tells telemetry and the audit sink what became of a request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::endpoint::Reply;
use super::telemetry;
use super::trail::Trail;
use crate::boundary::account::AccountKey;
use crate::boundary::audit::{AccountDigest, AuditEvent, AuditOutcome, AuditSink};
use crate::boundary::clock::Clock;
use crate::protocol::error::TokenError;

/// Builds the events, and spares the work where nobody listens.
pub(crate) struct Auditor {
    sink: Option<Box<dyn AuditSink>>,
    /// Keys the digests of user names, anew in each process.
    key: [u8; 32],
}

impl Auditor {
    pub(crate) fn new(sink: Option<Box<dyn AuditSink>>, key: [u8; 32]) -> Self {
        Self { sink, key }
    }

    /// Whether anybody would see an event.
    pub(crate) fn is_observed(&self) -> bool {
        self.sink.is_some() || telemetry::is_enabled()
    }

    /// When a request began to be answered, if anybody would see how long it took.
    pub(crate) fn starts(&self, clock: &dyn Clock) -> Option<Duration> {
        (telemetry::COUNTS || self.is_observed()).then(|| clock.elapsed())
    }

    /// The digest of an account, if anybody would see it.
    pub(crate) fn digest(&self, account: &AccountKey<'_>) -> Option<AccountDigest> {
        self.is_observed().then(|| self.digest_of(account))
    }

    /// The digest of an account.
    pub(crate) fn digest_of(&self, account: &AccountKey<'_>) -> AccountDigest {
        let full: [u8; 32] = Sha256::new()
            .chain_update(self.key)
            .chain_update([account.kind() as u8])
            .chain_update(account.as_str())
            .finalize()
            .into();
        let mut short = [0; 16];
        short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        AccountDigest(short)
    }

    pub(crate) fn record(&self, clock: &dyn Clock, trail: &Trail, outcome: &Result<Reply, TokenError>) {
        let ended = match outcome {
            Ok(Reply::Options) => return,
            Ok(Reply::Tokens(_)) => {
                let (subject, scope) =
                    trail.issued.as_deref().map_or(("", ""), |(subject, scope)| (subject.id(), scope.as_str()));
                AuditOutcome::Issued { subject, scope }
            }
            Ok(Reply::Revoked) => AuditOutcome::Revoked,
            Ok(Reply::Introspected { .. }) => AuditOutcome::Introspected,
            Err(error) => AuditOutcome::Refused { reason: error.reason },
        };
        let is_observed = self.is_observed();
        if !is_observed && !telemetry::COUNTS {
            return;
        }
        let started = trail.started.unwrap_or(Duration::MAX);
        let duration = clock.elapsed().saturating_sub(started);
        telemetry::count(trail, &ended, duration);
        if !is_observed {
            return;
        }
        let event = AuditEvent {
            at: clock.now(),
            duration,
            outcome: ended,
            grant_type: trail.grant_type.as_deref(),
            client: trail.client.as_ref().map(crate::protocol::client::Client::id),
            account: trail.account,
            address: trail.address,
            peer: trail.peer,
            rule: trail.rule,
            monitored: trail.monitored,
            family: trail.family.as_ref(),
            unencoded_basic: trail.unencoded_basic,
            password_leaked: trail.password_leaked,
        };
        telemetry::answered(&event, outcome.as_ref().err());
        if let Some(sink) = &self.sink
            && catch_unwind(AssertUnwindSafe(|| sink.record(&event))).is_err()
        {
            telemetry::audit_failed();
        }
    }
}
