//! The gate: what the head of a request decides, before its body is read and before any part is asked.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method};

use super::purpose::Purpose;
use super::senders::Senders;
use super::throttle::Throttle;
use super::trail::Caller;
use crate::boundary::peer::Source;
use crate::boundary::transport::TransportSecurity;
use crate::protocol::address::Sender;
use crate::protocol::wire::basic::MAX_VALUE;
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::form::Form;
use crate::protocol::wire::head::{self, Fields};
use crate::protocol::wire::media_type::{BodyFormat, BodyFormats};
use crate::protocol::wire::origin::OwnOrigin;

/// What to do with a request after its head was judged.
#[allow(clippy::large_enum_variant, reason = "the large one is the common one, and it lives for one move")]
pub(crate) enum Next {
    /// Read the body.
    Read(Reading),
    /// Answer `OPTIONS`.
    Options,
    /// Answer an error.
    Refuse(Reason),
    /// Too many requests: answer when there may be another.
    Throttle(Duration),
    /// Climb the ladder with the parsed body.
    Exchange(Form),
}

impl Next {
    #[inline]
    fn of(parsed: Result<Form, Reason>) -> Self {
        match parsed {
            Ok(form) => Self::Exchange(form),
            Err(reason) => Self::Refuse(reason),
        }
    }
}

/// What a head that is not refused asks for.
enum Judged {
    Options,
    /// To read the body.
    Read(Reading),
    /// To go without one.
    Bodiless,
}

/// How a body is parsed that was read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    purpose: Purpose,
    format: BodyFormat,
    /// Of the credentials of the header, for which there is room: so the buffer need not grow.
    credentials_len: usize,
}

impl Reading {
    pub(crate) fn parse(self, body: &[u8]) -> Next {
        let room = self.credentials_len.min(MAX_VALUE);
        let parsed = match self.format {
            BodyFormat::Form => Form::parse(body, room),
            BodyFormat::Json => Form::parse_json(body, room, self.purpose.lists()),
        };
        Next::of(parsed)
    }
}

/// How much of a body is read, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    /// In bytes.
    pub(crate) size: usize,
    pub(crate) deadline: Option<Duration>,
}

/// What is asked of a head beyond the protocol's own rules.
pub(crate) struct HeadRules {
    pub(crate) transport: TransportSecurity,
    /// Of the server's own pages, if it is known.
    pub(crate) own_origin: Option<OwnOrigin>,
    pub(crate) refuse_early_data: bool,
    /// The formats that a body may have.
    pub(crate) formats: BodyFormats,
}

/// Judges heads.
pub(crate) struct Gate {
    senders: Senders,
    throttle: Throttle,
    rules: HeadRules,
    limits: BodyLimits,
}

impl Gate {
    pub(crate) fn new(senders: Senders, throttle: Throttle, rules: HeadRules, limits: BodyLimits) -> Self {
        Self { senders, throttle, rules, limits }
    }

    pub(crate) fn limits(&self) -> BodyLimits {
        self.limits
    }

    /// Judges the head: sender, method, transport, length, type and coding, query.
    #[inline]
    pub(crate) fn admit(&self, purpose: Purpose, head: &Parts) -> (Next, Caller) {
        let source = self.senders.of(head);
        let fields = Fields::read(&head.headers);
        let Source { peer, sender } = source.unwrap_or_default();
        let mut caller = Caller {
            peer,
            address: sender.map(Sender::counted),
            is_exempt: self.senders.is_exempt(sender),
            has_origin: fields.has_origin(),
            is_own_site: fields.is_own_site(head, self.rules.own_origin.as_ref()),
            ..Caller::default()
        };
        // First of all, and whatever the method is: a preflight asks the registry, too.
        let next = match self.throttle.count(&mut caller) {
            Ok(()) => match self.judge(purpose, head, &fields, source) {
                Ok(Judged::Read(reading)) => Next::Read(reading),
                Ok(Judged::Options) => Next::Options,
                Ok(Judged::Bodiless) => return bodiless(purpose, head, caller),
                Err(reason) => Next::Refuse(reason),
            },
            Err(wait) => Next::Throttle(wait),
        };
        (next, caller)
    }

    #[inline]
    fn judge(
        &self,
        purpose: Purpose,
        head: &Parts,
        fields: &Fields<'_>,
        source: Result<Source, ()>,
    ) -> Result<Judged, Reason> {
        if !purpose.methods().take(&head.method) {
            return Err(Reason::MethodNotAllowed);
        }
        if head.method == Method::OPTIONS {
            return Ok(Judged::Options);
        }
        let source = source.map_err(|()| Reason::NoPeerAddress)?;
        if !self.rules.transport.permits(head, source.peer) {
            return Err(Reason::InsecureTransport);
        }
        // RFC 8470 section 5.1: several or invalid values mean the same as a single `1`.
        if self.rules.refuse_early_data && head.headers.contains_key("early-data") {
            return Err(Reason::EarlyData);
        }
        if purpose.is_bodiless() {
            return Ok(Judged::Bodiless);
        }
        let format = head::judge(head, fields, self.limits.size, purpose.formats(self.rules.formats))?;
        Ok(Judged::Read(Reading { purpose, format, credentials_len: fields.credentials_len() }))
    }

    /// The refusal of a body that is declared too large, which holds whatever grant it asks for.
    pub(crate) fn refuse_unread(&self, head: &Parts) -> Option<(Next, Caller)> {
        head::is_too_large(&head.headers, self.limits.size).then(|| self.admit(Purpose::Token, head))
    }

    /// How the body of a token request is parsed whose head is judged later, if it is of a format that is read here.
    pub(crate) fn reading(&self, headers: &HeaderMap) -> Option<Reading> {
        let format = head::format(headers, self.rules.formats)?;
        Some(Reading { purpose: Purpose::Token, format, credentials_len: 0 })
    }

    pub(super) fn senders(&self) -> &Senders {
        &self.senders
    }

    pub(super) fn throttle(&self) -> &Throttle {
        &self.throttle
    }
}

/// What a head without a body asks for. Apart, because a form is large, and most requests have none yet.
#[cold]
fn bodiless(purpose: Purpose, head: &Parts, caller: Caller) -> (Next, Caller) {
    (Next::of(head::judge_query(head).and_then(|()| purpose.form_of(&head.uri))), caller)
}
