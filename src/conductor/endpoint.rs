//! The token endpoint: its parts, and the way of a request from its head to its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Response};

use super::answer::Answers;
use super::gate::{Gate, Step};
use super::misfits::Misfits;
use super::purpose::Purpose;
use super::refresh::RefreshTokens;
use super::tokens::TokenCare;
use super::trail::{Caller, Trail};
use super::weigh::Screen;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::Clock;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::notifier::LockNotifier;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::verifier::CredentialVerifier;
use crate::observe::audit::Auditor;
use crate::observe::contain::Contain;
use crate::observe::patience::Patience;
use crate::protocol::form::{Form, Known};
use crate::protocol::grant_type::GrantType;
use crate::protocol::keyed::Keyed;
use crate::protocol::policy::Rules;

/// An extension grant with its grant type.
pub(crate) type NamedGrant = (GrantType, Box<dyn ExtensionGrant>);

/// Everything that `build()` put together.
pub(crate) struct Endpoint {
    pub(crate) gate: Gate,
    pub(crate) registry: Box<dyn ClientRegistry>,
    pub(crate) misfits: Misfits,
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
    pub(crate) password_grant: Option<GrantType>,
    pub(crate) rules: Rules,
    pub(crate) notifier: Option<Box<dyn LockNotifier>>,
    /// Keys the fingerprints of passwords.
    pub(crate) fingerprints: Keyed,
    pub(crate) deadline: Option<Duration>,
    pub(crate) patience: Patience,
    pub(crate) post_allowed: bool,
    pub(crate) ignore_foreign_schemes: bool,
    pub(crate) reveal_custom_denials: bool,
    pub(crate) conceals_account_locks: bool,
    pub(crate) answers: Answers,
}

/// What the rungs need of a request's head.
pub(crate) struct Head {
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl Endpoint {
    /// Whether the parsed body asks for a grant type that is not served here.
    pub(crate) fn is_foreign_grant(&self, form: &Form) -> bool {
        form.get(Known::GrantType).is_some_and(|grant| self.grant_named(grant).is_none())
    }

    pub(crate) fn grant_named(&self, name: &str) -> Option<ServedGrant<'_>> {
        if let Some(password) = self.password_grant.as_ref().filter(|grant| grant.name() == name) {
            return Some(ServedGrant::Password(password));
        }
        if let Some(refresh) = self.refresh.as_deref().filter(|refresh| refresh.grant_type.name() == name) {
            return Some(ServedGrant::Refresh(refresh));
        }
        let (name, grant) = self.extensions.iter().find(|(known, _)| known.name() == name)?;
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
    Password(&'a GrantType),
    Refresh(&'a RefreshTokens),
    Extension(&'a GrantType, &'a dyn ExtensionGrant),
}

impl ServedGrant<'_> {
    pub(crate) fn grant_type(&self) -> &GrantType {
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
