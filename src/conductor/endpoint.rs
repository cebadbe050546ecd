//! The token endpoint: its parts, and the way of a request from its head to its answer.

use std::future::Future;
use std::hash::RandomState;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response};
use ipnet::IpNet;

use super::answer::Answers;
use super::misfits::Told;
use super::purpose::Purpose;
use super::refresh::RefreshTokens;
use super::shield::Screen;
use super::tokens::TokenCare;
use super::trail::{Caller, Trail};
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::Clock;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::limiter::{AttemptLimiter, Rule};
use crate::boundary::notifier::LockNotifier;
use crate::boundary::peer::PeerAddress;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::transport::TransportSecurity;
use crate::boundary::verifier::CredentialVerifier;
use crate::observe::audit::Auditor;
use crate::observe::contain::Contain;
use crate::observe::patience::Patience;
use crate::protection::ceiling::{IntrospectionCeiling, RequestCeiling};
use crate::protocol::address::Sender;
use crate::protocol::basic::MAX_VALUE;
use crate::protocol::client::{PASSWORD, REFRESH_TOKEN};
use crate::protocol::error::Reason;
use crate::protocol::form::{Form, Known};
use crate::protocol::head::{self, Fields};
use crate::protocol::origin::OwnOrigin;
use crate::protocol::policy::Rules;

/// An extension grant with its grant type.
pub(crate) type NamedGrant = (Arc<str>, Box<dyn ExtensionGrant>);

/// Everything that `build()` put together.
pub(crate) struct Endpoint {
    pub(crate) registry: Box<dyn ClientRegistry>,
    /// Whose registrations were told already, if the registry does not name its clients at the start.
    pub(crate) told: Option<Told>,
    pub(crate) verifier: Box<dyn CredentialVerifier>,
    /// The verifier tells whether a login still holds.
    pub(crate) can_recheck: bool,
    pub(crate) issuer: Box<dyn TokenIssuer>,
    pub(crate) limiter: Box<dyn AttemptLimiter>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auditor: Auditor,
    pub(crate) screen: Option<Screen>,
    pub(crate) methods: Vec<Box<dyn ClientAuthMethod>>,
    pub(crate) extensions: Vec<NamedGrant>,
    /// If the endpoint gives refresh tokens.
    pub(crate) refresh: Option<Box<RefreshTokens>>,
    /// What looks access tokens up and ends them, if anything does.
    pub(crate) access: Option<Box<dyn AccessTokenVerifier>>,
    pub(crate) care: TokenCare,
    /// `password`, unless the grant is switched off.
    pub(crate) password_grant: Option<Arc<str>>,
    pub(crate) rules: Rules,
    pub(crate) peer: PeerAddress,
    pub(crate) end_user_header: HeaderName,
    /// The allow-list.
    pub(crate) exempt: Vec<IpNet>,
    pub(crate) request_ceiling: RequestCeiling,
    pub(crate) introspection_ceiling: IntrospectionCeiling,
    pub(crate) notifier: Option<Box<dyn LockNotifier>>,
    /// Keys the fingerprints of passwords, anew in each process.
    pub(crate) fingerprints: RandomState,
    pub(crate) transport: TransportSecurity,
    /// Of the server's own pages, if it is known.
    pub(crate) own_origin: Option<OwnOrigin>,
    pub(crate) max_body: usize,
    pub(crate) body_deadline: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) patience: Patience,
    pub(crate) post_allowed: bool,
    pub(crate) ignore_foreign_schemes: bool,
    pub(crate) refuse_early_data: bool,
    pub(crate) reveal_custom_denials: bool,
    pub(crate) conceals_account_locks: bool,
    pub(crate) answers: Answers,
    /// For a bearer token at the introspection endpoint.
    pub(crate) bearer_challenge: HeaderValue,
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
    /// Too many requests: answer when there may be another.
    Throttle(Duration),
    /// Climb the ladder with the parsed body.
    Exchange(Form),
}

/// What the rungs need of a request's head.
pub(crate) struct Head {
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl Endpoint {
    /// Judges the head: method, transport, length, type and coding, query.
    pub(crate) fn admit(&self, head: &Parts) -> (Step, Caller) {
        let source = self.peer.of(head);
        let fields = Fields::read(&head.headers);
        let mut caller = Caller { source: source.unwrap_or_default(), ..Caller::default() };
        caller.credentials_len = fields.credentials_len();
        caller.has_origin = fields.has_origin();
        caller.is_own_site = fields.is_own_site(head, self.own_origin.as_ref());
        caller.is_exempt = self.is_exempt(caller.source.sender);
        (self.judge_head(head, &fields, source.is_err(), &mut caller), caller)
    }

    /// Whether the sender is on the allow-list.
    pub(super) fn is_exempt(&self, sender: Option<Sender>) -> bool {
        sender.is_some_and(|sender| self.exempt.iter().any(|network| network.contains(&sender.machine())))
    }

    fn judge_head(&self, head: &Parts, fields: &Fields<'_>, lacks_peer: bool, caller: &mut Caller) -> Step {
        // First of all, and whatever the method is: a preflight asks the registry, too.
        if let Some(sender) = caller.source.sender.filter(|_| !caller.is_exempt) {
            match self.request_ceiling.count(sender.counted(), self.clock.elapsed()) {
                Ok(counted) => caller.counted = counted,
                Err(_) if self.request_ceiling.is_monitor() => caller.monitored = Some(Rule::Requests),
                Err(wait) => {
                    caller.rule = Some(Rule::Requests);
                    return Step::Throttle(wait);
                }
            }
        }
        match head.method {
            Method::POST => {}
            Method::OPTIONS => return Step::Options,
            _ => return Step::Refuse(Reason::MethodNotAllowed),
        }
        if lacks_peer {
            return Step::Refuse(Reason::NoPeerAddress);
        }
        if !self.transport.permits(head, caller.source.peer) {
            return Step::Refuse(Reason::InsecureTransport);
        }
        // RFC 8470 section 5.1: several or invalid values mean the same as a single `1`.
        if self.refuse_early_data && head.headers.contains_key("early-data") {
            return Step::Refuse(Reason::EarlyData);
        }
        match head::judge(head, fields, self.max_body) {
            Ok(()) => Step::Read,
            Err(reason) => Step::Refuse(reason),
        }
    }

    /// The refusal of a body that is declared too large, which holds whatever grant it asks for.
    pub(crate) fn refuse_unread(&self, head: &Parts) -> Option<(Step, Caller)> {
        head::is_too_large(&head.headers, self.max_body).then(|| self.admit(head))
    }

    /// Parses the collected body.
    pub(crate) fn parse(&self, body: &[u8], credentials_len: usize) -> Step {
        // Room for the credentials of the header, so that the buffer need not grow.
        match Form::parse(body, credentials_len.min(MAX_VALUE)) {
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
        if let Some(refresh) = self.refresh.as_deref().filter(|_| name == REFRESH_TOKEN) {
            return Some(ServedGrant::Refresh(refresh));
        }
        let (name, grant) = self.extensions.iter().find(|(known, _)| **known == *name)?;
        Some(ServedGrant::Extension(name, grant.as_ref()))
    }

    /// Answers a request whose head, and body if it needs one, were read.
    pub(crate) fn answer(self: Arc<Self>, purpose: Purpose, head: Parts, caller: Caller, step: Step) -> Answer {
        Box::pin(self.answering(purpose, head, caller, step))
    }

    /// A block, because an async function would hold its arguments twice.
    fn answering(
        self: Arc<Self>,
        purpose: Purpose,
        head: Parts,
        caller: Caller,
        mut step: Step,
    ) -> impl Future<Output = Response<Bytes>> + Send + 'static {
        let mut trail = Trail::new(purpose, &head, caller, self.auditor.starts(&*self.clock));
        // The rest of the head is not needed any more.
        let mut head = Head { headers: head.headers, extensions: head.extensions };
        async move {
            let outcome = Contain::new(self.deadline, self.exchange(&mut head, &mut step, &mut trail)).await;
            self.answers.write(&self.auditor, &*self.clock, &head.headers, &trail, outcome)
        }
    }
}

/// A grant type that this endpoint serves.
pub(crate) enum ServedGrant<'a> {
    Password(&'a Arc<str>),
    Refresh(&'a RefreshTokens),
    Extension(&'a Arc<str>, &'a dyn ExtensionGrant),
}

impl ServedGrant<'_> {
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Password(name) | Self::Extension(name, _) => name,
            Self::Refresh(refresh) => &refresh.grant_type,
        }
    }

    /// Whether every parameter that the grant needs is there, with a value.
    pub(crate) fn is_complete(&self, form: &Form) -> bool {
        match self {
            Self::Password(_) => form.span(Known::Username).and(form.span(Known::Password)).is_some(),
            Self::Refresh(_) => form.span(Known::RefreshToken).is_some(),
            Self::Extension(_, grant) => grant.required_fields().iter().all(|name| form.grant_field(name).is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most bytes that common allocators serve from the list of the thread, which costs a tenth of the longer way.
    const FAST: usize = 1032;

    fn size<F>(_: fn(Arc<Endpoint>, Purpose, Parts, Caller, Step) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_an_answer_is_small_enough_for_the_fast_way_of_an_allocator() {
        let size = size(Endpoint::answering);
        assert!(size <= FAST, "{size} bytes");
    }
}
