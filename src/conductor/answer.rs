//! The end of a request: what became of it is recorded, and what the client may know of it is written.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;

use super::door::Head;
use super::trail::Trail;
use crate::boundary::account::AccountKey;
use crate::boundary::audit::{AccountDigest, AuditOutcome, FactorStep};
use crate::boundary::clock::Clock;
use crate::observe::audit::{Auditor, note, taken};
use crate::protocol::factor::authenticator::AuthenticatorId;
use crate::protocol::wire::encode::{self, Setting, Wording};
use crate::protocol::wire::error::{Reason, TokenError};

/// A successful end of the ladder.
pub(crate) enum Reply {
    Options,
    Tokens(Vec<u8>),
    Revoked,
    Introspected { json: Vec<u8>, max_age: Option<Duration> },
    Factor(Box<FactorReply>),
}

/// What an endpoint of second factors has done.
pub(crate) struct FactorReply {
    pub(crate) step: FactorStep,
    /// The subject's identifier.
    pub(crate) subject: String,
    /// The authenticator that it is about, if it is about one.
    pub(crate) authenticator: Option<AuthenticatorId>,
    /// What the client is told, if it is told anything.
    pub(crate) json: Option<Vec<u8>>,
}

impl FactorReply {
    fn outcome(&self) -> AuditOutcome<'_> {
        AuditOutcome::Factor {
            step: self.step,
            subject: &self.subject,
            authenticator: self.authenticator.as_ref().map(AuthenticatorId::as_str),
        }
    }
}

/// What all answers of an endpoint have in common.
pub(crate) struct Answers {
    wording: Wording,
    auditor: Arc<Auditor>,
    clock: Arc<dyn Clock>,
}

impl Answers {
    pub(crate) fn new(wording: Wording, auditor: Arc<Auditor>, clock: Arc<dyn Clock>) -> Self {
        Self { wording, auditor, clock }
    }

    /// When a request began to be answered, if an event will show how long it took.
    pub(super) fn starts(&self) -> Option<Duration> {
        self.auditor.starts(&*self.clock)
    }

    /// The digest under which events name an account in its realm.
    pub(super) fn account_digest(&self, realm: Option<&str>, account: &AccountKey<'_>) -> AccountDigest {
        self.auditor.digest_of(realm, account)
    }

    /// Records how a request ended, and writes its answer, where its headers were.
    #[inline]
    pub(super) fn write(&self, head: Head, trail: &Trail, mut outcome: Result<Reply, TokenError>) -> Response<Bytes> {
        if let (Err(error), true) = (&mut outcome, trail.is_replay) {
            // Whatever failed after it: this is reported only once.
            error.reason = Reason::RefreshTokenReplayed;
        }
        self.record(trail, &outcome);
        let setting = Setting {
            methods: trail.purpose.methods(),
            formats: trail.purpose.formats(self.wording.formats),
            version: head.version,
            is_head_request: head.is_head_request,
            has_origin: trail.caller.has_origin,
            allowed_origin: trail.allowed_origin.as_deref(),
            sunset: trail.client.as_ref().filter(|_| trail.begins_password_login()).and_then(|client| client.sunset()),
            wording: &self.wording,
        };
        let headers = head.headers;
        match outcome {
            Ok(Reply::Tokens(json)) => encode::success(json, headers, &setting),
            Ok(Reply::Factor(reply)) => encode::factor(reply.json, headers, &setting),
            Ok(Reply::Revoked) => encode::revoked(headers, &setting),
            Ok(Reply::Introspected { json, max_age }) => encode::introspected(json, max_age, headers, &setting),
            Ok(Reply::Options) => encode::options(&setting),
            Err(error) => {
                let row = self.wording.table.row(error.face());
                let now = row.tells_time().then(|| self.clock.now());
                encode::refusal(&error, row, now, headers, &setting)
            }
        }
    }

    #[inline]
    fn record(&self, trail: &Trail, outcome: &Result<Reply, TokenError>) {
        let is_issued = match outcome {
            Ok(Reply::Options) => return,
            Ok(Reply::Tokens(_)) => true,
            _ => false,
        };
        let (auditor, issued) = (&*self.auditor, trail.issued.get().filter(|_| is_issued));
        let noted = issued.and_then(|issued| Some((auditor.notes()?, issued)));
        let takes_event = auditor.takes_event(is_issued);
        if noted.is_none() && !takes_event {
            return;
        }
        let at = self.clock.now();
        if let Some((notes, issued)) = noted
            && let Some(login) = trail.note(issued, at)
        {
            note(notes, &login);
        }
        if takes_event {
            self.tell(trail, outcome, at);
        }
    }

    /// Says the event of an answer that was given at this time.
    fn tell(&self, trail: &Trail, outcome: &Result<Reply, TokenError>, at: SystemTime) {
        let ended = match outcome {
            Ok(Reply::Options) => return,
            Ok(Reply::Tokens(_)) => {
                let (subject, scope) =
                    trail.issued.get().map_or(("", ""), |issued| (&*issued.subject, issued.scope.as_str()));
                AuditOutcome::Issued { subject, scope }
            }
            Ok(Reply::Revoked) => AuditOutcome::Revoked,
            Ok(Reply::Introspected { .. }) => AuditOutcome::Introspected,
            Ok(Reply::Factor(reply)) => reply.outcome(),
            Err(error) => {
                let (refused_by, subject) = (error.rule(), error.subject());
                AuditOutcome::Refused { reason: error.reason, refused_by, subject }
            }
        };
        let event = trail.event(ended, (at, taken(&*self.clock, trail.started)));
        self.auditor.record(&event, outcome.as_ref().err(), trail.begins_password_login());
    }
}
