//! The token endpoint: its parts, and the way of a request from its head to its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response};

use super::audit::Auditor;
use super::contain::Contain;
use super::trail::Trail;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::Clock;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::peer::{PeerAddress, Source};
use crate::boundary::registry::ClientRegistry;
use crate::boundary::transport::TransportSecurity;
use crate::boundary::verifier::CredentialVerifier;
use crate::protocol::basic::MAX_VALUE;
use crate::protocol::client::PASSWORD;
use crate::protocol::encode::{self, Setting};
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::{Form, Known};
use crate::protocol::head;
use crate::protocol::policy::Rules;

/// An extension grant with its grant type.
pub(crate) type NamedGrant = (Arc<str>, Box<dyn ExtensionGrant>);

/// Everything that `build()` put together.
pub(crate) struct Endpoint {
    pub(crate) registry: Box<dyn ClientRegistry>,
    pub(crate) verifier: Box<dyn CredentialVerifier>,
    pub(crate) issuer: Box<dyn TokenIssuer>,
    pub(crate) limiter: Box<dyn AttemptLimiter>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auditor: Auditor,
    pub(crate) methods: Vec<Box<dyn ClientAuthMethod>>,
    pub(crate) extensions: Vec<NamedGrant>,
    /// `password`, unless the grant is switched off.
    pub(crate) password_grant: Option<Arc<str>>,
    pub(crate) rules: Rules,
    pub(crate) peer: PeerAddress,
    pub(crate) end_user_header: HeaderName,
    pub(crate) transport: TransportSecurity,
    pub(crate) max_body: usize,
    pub(crate) body_deadline: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) post_allowed: bool,
    pub(crate) ignore_foreign_schemes: bool,
    pub(crate) refuse_early_data: bool,
    pub(crate) reveal_custom_denials: bool,
    pub(crate) error_uri: Option<String>,
    pub(crate) challenge: HeaderValue,
}

/// What to do with a request after its head was judged.
#[allow(clippy::large_enum_variant, reason = "the large one is the common one, and it lives for one move")]
pub(crate) enum Step {
    /// Read the body.
    Read,
    /// Answer `OPTIONS`.
    Options,
    /// Answer an error.
    Refuse(Reason),
    /// Climb the ladder with the parsed body.
    Exchange(Form),
}

/// What the rungs need of a request's head.
pub(crate) struct Head {
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
}

/// A successful end of the ladder.
pub(crate) enum Reply {
    Options,
    Tokens(Vec<u8>),
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl Endpoint {
    /// Judges the head: method, transport, length, type and coding, query.
    pub(crate) fn admit(&self, head: &Parts) -> Step {
        match head.method {
            Method::POST => {}
            Method::OPTIONS => return Step::Options,
            _ => return Step::Refuse(Reason::MethodNotAllowed),
        }
        let Ok(source) = self.peer.of(head) else { return Step::Refuse(Reason::NoPeerAddress) };
        if !self.transport.permits(head, source.peer) {
            return Step::Refuse(Reason::InsecureTransport);
        }
        // RFC 8470 section 5.1: several or invalid values mean the same as a single `1`.
        if self.refuse_early_data && head.headers.contains_key("early-data") {
            return Step::Refuse(Reason::EarlyData);
        }
        match head::judge(head, self.max_body) {
            Ok(()) => Step::Read,
            Err(reason) => Step::Refuse(reason),
        }
    }

    /// The refusal of a body that is declared too large, which holds whatever grant it asks for.
    pub(crate) fn refuse_unread(&self, head: &Parts) -> Option<Step> {
        head::is_too_large(&head.headers, self.max_body).then(|| self.admit(head))
    }

    /// Parses the collected body.
    pub(crate) fn parse(&self, head: &Parts, body: &[u8]) -> Step {
        // Room for the credentials of the header, so that the buffer need not grow.
        let room = head.headers.get(http::header::AUTHORIZATION).map_or(0, HeaderValue::len);
        match Form::parse(body, room.min(MAX_VALUE)) {
            Ok(form) => Step::Exchange(form),
            Err(reason) => Step::Refuse(reason),
        }
    }

    /// Whether the parsed body asks for a grant type that is not served here.
    pub(crate) fn is_foreign_grant(&self, form: &Form) -> bool {
        form.get(Known::GrantType).is_some_and(|grant| self.grant_named(grant).is_none())
    }

    pub(crate) fn grant_named(&self, name: &str) -> Option<ServedGrant<'_>> {
        if let Some(password) = self.password_grant.as_ref().filter(|_| name == PASSWORD) {
            return Some(ServedGrant::Password(password));
        }
        let (name, grant) = self.extensions.iter().find(|(known, _)| **known == *name)?;
        Some(ServedGrant::Extension(name, grant.as_ref()))
    }

    /// Answers a request whose head, and body if it needs one, were read.
    pub(crate) fn answer(self: Arc<Self>, head: Parts, mut step: Step) -> Answer {
        let source = self.peer.of(&head).unwrap_or(Source { peer: None, address: None });
        let mut trail = Trail::new(&head, source, self.clock.elapsed());
        // The rest of the head is not needed any more.
        let mut head = Head { headers: head.headers, extensions: head.extensions };
        Box::pin(async move {
            let outcome = Contain::new(self.deadline, self.exchange(&mut head, &mut step, &mut trail)).await;
            let outcome = outcome.map_err(TokenError::with_default_wait);
            self.auditor.record(&*self.clock, &trail, &outcome);
            let setting = Setting {
                version: trail.version,
                is_head_request: trail.is_head_request,
                has_origin: trail.has_origin,
                allowed_origin: trail.allowed_origin.as_deref(),
                sunset: trail.client.as_ref().filter(|_| trail.announces_sunset).and_then(|client| client.sunset()),
                error_uri: self.error_uri.as_deref(),
                challenge: &self.challenge,
            };
            match outcome {
                Ok(Reply::Tokens(json)) => encode::success(json, &setting),
                Ok(Reply::Options) => encode::options(&setting),
                Err(error) => encode::refusal(&error, &setting),
            }
        })
    }
}

/// A grant type that this endpoint serves.
pub(crate) enum ServedGrant<'a> {
    Password(&'a Arc<str>),
    Extension(&'a Arc<str>, &'a dyn ExtensionGrant),
}

impl ServedGrant<'_> {
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Password(name) | Self::Extension(name, _) => name,
        }
    }

    /// Whether every parameter that the grant needs is there, with a value.
    pub(crate) fn is_complete(&self, form: &Form) -> bool {
        match self {
            Self::Password(_) => form.span(Known::Username).and(form.span(Known::Password)).is_some(),
            Self::Extension(_, grant) => grant.required_fields().iter().all(|name| form.grant_field(name).is_some()),
        }
    }
}
