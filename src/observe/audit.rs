//! The recording of what became of a request: for telemetry and for the audit sink.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::telemetry;
use crate::boundary::account::AccountKey;
use crate::boundary::audit::{AccountDigest, AuditEvent, AuditOutcome, AuditSink};
use crate::boundary::clock::{Clock, SharedClock};
use crate::boundary::login_note::{LoginNote, LoginNotes};
use crate::protocol::wire::error::TokenError;

/// In the byte of its kind: an account of a realm, which stands before its name.
const OF_REALM: u8 = 0x80;

/// Builds the events, and spares the work where nobody listens.
pub(crate) struct Auditor {
    sink: Option<Box<dyn AuditSink>>,
    /// Takes the events of issued tokens alone, and nothing is made for it that only others read.
    ledger: Option<Box<dyn AuditSink>>,
    /// Takes notes in place of the events of the ledger, if that needs no more.
    notes: Option<Box<dyn LoginNotes>>,
    /// Keys the digests of user names.
    key: Zeroizing<[u8; 32]>,
}

impl Auditor {
    /// `sink` for all events, `ledger` for those of issued tokens.
    pub(crate) fn new(
        sink: Option<Box<dyn AuditSink>>,
        ledger: Option<Box<dyn AuditSink>>,
        key: Zeroizing<[u8; 32]>,
    ) -> Self {
        let notes = ledger.as_ref().and_then(|ledger| ledger.login_notes());
        Self { sink, ledger, notes, key }
    }

    /// Whether anybody would see an event.
    pub(crate) fn is_observed(&self) -> bool {
        self.sink.is_some() || telemetry::is_enabled()
    }

    /// Whether anybody would see which subject tokens were issued for.
    #[inline]
    pub(crate) fn notes_issued(&self) -> bool {
        self.ledger.is_some() || self.is_observed()
    }

    /// Hands on the clock of the endpoint, and answers whether both sinks go by it.
    pub(crate) fn follow_clock(&self, clock: &SharedClock) -> bool {
        let follows = |sink: &Option<Box<dyn AuditSink>>| sink.as_ref().is_none_or(|sink| sink.follow_clock(clock));
        let (sink, ledger) = (follows(&self.sink), follows(&self.ledger));
        sink && ledger
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

    /// When something happened that is said to all that listen but the ledger, and how long its request took by then, if anything listens.
    pub(crate) fn times(&self, clock: &dyn Clock, started: Option<Duration>) -> Option<(SystemTime, Duration)> {
        self.takes_event(false).then(|| (clock.now(), taken(clock, started)))
    }

    /// Whether anybody takes the event of an answer, by which tokens were issued or not.
    #[inline]
    pub(crate) fn takes_event(&self, is_issued: bool) -> bool {
        let to_ledger = is_issued && self.ledger.is_some() && self.notes.is_none();
        telemetry::COUNTS || to_ledger || self.is_observed()
    }

    /// What takes notes of logins, if anything does.
    #[inline]
    pub(crate) fn notes(&self) -> Option<&dyn LoginNotes> {
        self.notes.as_deref()
    }

    /// Counts an answer, and says it to everything that listens.
    pub(crate) fn record(&self, event: &AuditEvent<'_>, error: Option<&TokenError>, begins_password_login: bool) {
        telemetry::count(event, begins_password_login);
        self.tell(event, error);
    }

    /// Says an event to everything that listens, which is no answer if nothing counts it.
    pub(crate) fn tell(&self, event: &AuditEvent<'_>, error: Option<&TokenError>) {
        if let (Some(ledger), None, AuditOutcome::Issued { .. }) = (&self.ledger, &self.notes, event.outcome) {
            hand(&**ledger, event);
        }
        if !self.is_observed() {
            return;
        }
        telemetry::answered(event, error);
        if let Some(sink) = &self.sink {
            hand(&**sink, event);
        }
    }
}

/// How long it took from the start until now. For a ledger alone no start was read, and the clock is not asked again.
pub(crate) fn taken(clock: &dyn Clock, started: Option<Duration>) -> Duration {
    started.map_or(Duration::ZERO, |started| clock.elapsed().saturating_sub(started))
}

/// Takes a note. Where that panics, the answer goes out without it.
#[inline]
pub(crate) fn note(notes: &dyn LoginNotes, note: &LoginNote<'_>) {
    if catch_unwind(AssertUnwindSafe(|| notes.take_note(note))).is_err() {
        telemetry::audit_failed();
    }
}

fn hand(sink: &dyn AuditSink, event: &AuditEvent<'_>) {
    if catch_unwind(AssertUnwindSafe(|| sink.record(event))).is_err() {
        telemetry::audit_failed();
    }
}
