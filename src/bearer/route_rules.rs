//! What a guard asks of a token, and how it finds out.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response};

use super::answer::{Answers, Challenge, Dialect};
use super::cache::TokenCache;
use super::credentials::{self, BearerToken};
use super::principal::Principal;
use super::recent::CacheKey;
use super::refusal::{BearerReason, BearerRefusal};
use super::route_needs::RouteNeeds;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::clock::Clock;
use crate::observe::contain::Contain;
use crate::observe::patience::Overdue;
use crate::protocol::skew::MAX_SKEW;
use crate::protocol::token::record::AccessTokenRecord;

pub(super) type OnRefusal = Box<dyn Fn(&BearerRefusal) + Send + Sync>;

/// What all clones of a guard share.
pub(super) struct GuardParts {
    pub(super) verifier: Box<dyn AccessTokenVerifier>,
    /// One of them must be in the token's audience; none if it does not matter.
    pub(super) audience: Vec<String>,
    pub(super) realm: GuardRealm,
    pub(super) challenge: Challenge,
    pub(super) cache: Option<TokenCache>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) deadline: Duration,
    pub(super) on_refusal: Option<OnRefusal>,
}

/// The realm that a token must belong to.
pub(super) enum GuardRealm {
    None,
    OneOf(Vec<String>),
    Any,
}

impl GuardRealm {
    fn takes(&self, realm: Option<&str>) -> bool {
        match (self, realm) {
            (Self::None, realm) => realm.is_none(),
            (Self::OneOf(known), Some(realm)) => known.iter().any(|known| known == realm),
            (Self::OneOf(_), None) => false,
            (Self::Any, _) => true,
        }
    }
}

impl fmt::Debug for GuardRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::OneOf(realms) => realms.fmt(f),
            Self::Any => f.write_str("any"),
        }
    }
}

/// The parts, and what one route has of its own.
#[derive(Clone)]
pub(super) struct RouteRules {
    pub(super) parts: Arc<GuardParts>,
    needs: RouteNeeds,
    answers: Arc<Answers>,
    pub(super) is_cached: bool,
    pub(super) is_optional: bool,
    pub(super) passes_preflight: bool,
}

type Looking = Pin<Box<dyn Future<Output = Result<Option<AccessTokenRecord>, BearerRefusal>> + Send>>;

/// A look-up of a token, contained.
pub(super) struct Verification {
    pub(super) looking: Contain<Looking>,
    key: Option<CacheKey>,
    /// On the monotonic clock.
    asked: Duration,
}

/// What becomes of a request, as far as its head shows.
pub(super) enum Admission {
    /// It goes on without a principal.
    Pass,
    Known(Principal),
    Ask(Verification),
}

impl RouteRules {
    pub(super) fn new(parts: GuardParts) -> Self {
        let needs = RouteNeeds::default();
        let answers = Arc::new(Answers::new(&parts.challenge, &needs));
        Self { parts: Arc::new(parts), needs, answers, is_cached: true, is_optional: false, passes_preflight: true }
    }

    pub(super) fn needs(&self) -> &RouteNeeds {
        &self.needs
    }

    /// The same rules with these needs.
    pub(super) fn with_needs(&self, needs: RouteNeeds) -> Self {
        let answers = Arc::new(Answers::new(&self.parts.challenge, &needs));
        Self { needs, answers, ..self.clone() }
    }

    pub(super) fn admit(
        &self,
        method: &Method,
        headers: &HeaderMap,
        has_body: bool,
    ) -> Result<Admission, BearerRefusal> {
        if self.passes_preflight && credentials::is_preflight(method, headers, has_body) {
            return Ok(Admission::Pass);
        }
        let token = match BearerToken::of(headers) {
            Err(BearerReason::NoCredentials) if self.is_optional => return Ok(Admission::Pass),
            found => found?,
        };
        let cache = self.parts.cache.as_ref().filter(|_| self.is_cached);
        let key = cache.map(|_| CacheKey::of(token.text()));
        let asked = if key.is_some() { self.parts.clock.elapsed() } else { Duration::ZERO };
        if let Some(record) = cache.zip(key).and_then(|(cache, key)| cache.get(&key, asked)) {
            return self.judge(record).map(Admission::Known);
        }
        Ok(Admission::Ask(Verification { looking: self.look_up(token), key, asked }))
    }

    fn look_up(&self, token: BearerToken<&HeaderValue>) -> Contain<Looking> {
        let (parts, token) = (Arc::clone(&self.parts), token.share());
        let looking: Looking = Box::pin(async move { Ok(parts.verifier.verify(token.text()).await?) });
        Contain::new(Some(self.parts.deadline), looking)
    }

    /// What follows from the end of a look-up.
    pub(super) fn conclude(
        &self,
        found: Result<Option<AccessTokenRecord>, BearerRefusal>,
        verification: &Verification,
    ) -> Result<Principal, BearerRefusal> {
        let deadline = self.parts.deadline;
        let overdue = || Overdue::of_access_tokens(deadline);
        let record = found.map_err(|refusal| refusal.with_cause_if_overdue(overdue))?;
        let record = record.ok_or(BearerReason::UnknownToken)?;
        if let Some((cache, key)) = self.parts.cache.as_ref().zip(verification.key) {
            cache.put(&key, &record, verification.asked, self.parts.clock.elapsed());
        }
        self.judge(record)
    }

    /// Whether a token that is good is good here (RFC 6750 section 3.1, RFC 9700 section 2.3).
    fn judge(&self, record: AccessTokenRecord) -> Result<Principal, BearerRefusal> {
        let parts = &*self.parts;
        // Reasons with one answer: those that need no clock come first. The answer to too little scope is for a live token.
        let wrong = if record.claims().contains("cnf") {
            Some(BearerReason::Bound)
        } else if !parts.audience.is_empty() && !record.audience().iter().any(|own| parts.audience.contains(own)) {
            Some(BearerReason::Audience)
        } else if !parts.realm.takes(record.realm()) {
            Some(BearerReason::Realm)
        } else {
            let now = parts.clock.now();
            if record.has_expired(now) {
                Some(BearerReason::Expired)
            } else if record.is_early(now, MAX_SKEW) {
                // Closer than that it is the verifier's matter, which knows how far the clocks may differ.
                Some(BearerReason::NotYetValid)
            } else {
                self.needs.lacking(&record, now)
            }
        };
        match wrong {
            None => Ok(Principal::new(record)),
            Some(reason) => Err(BearerRefusal::of(reason, record)),
        }
    }

    #[inline]
    pub(super) fn refuse<B>(
        &self,
        refusal: &BearerRefusal,
        headers: &HeaderMap,
        body: impl FnOnce(Bytes) -> B,
    ) -> Response<B> {
        refusal.tell();
        if let Some(on_refusal) = &self.parts.on_refusal {
            // The application's code, and its panics change no answer.
            let _ = catch_unwind(AssertUnwindSafe(|| on_refusal(refusal)));
        }
        self.answers.answer(refusal, Dialect::of(headers), body)
    }
}
