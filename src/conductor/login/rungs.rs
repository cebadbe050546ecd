//! The rungs that flows share, below the client's door.

use std::future::Future;
use std::sync::Arc;
use std::task::Waker;

use http::Extensions;

use super::mint::{Mint, Minted};
use super::scales::{Case, Scales};
use super::users::Users;
use crate::boundary::account::AccountKey;
use crate::boundary::audit::{AuditEvent, AuditOutcome};
use crate::boundary::clock::{Clock, SharedClock};
use crate::boundary::host_extensions::HostExtensions;
use crate::boundary::ladder::charge::{Charge, Guessed, OfAccount, OfNobody};
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::ladder::terms::{LiveClaim, Renewal, Terms};
use crate::boundary::ladder::user::{Answer, VerifiedUser};
use crate::boundary::limiter::Fingerprint;
use crate::boundary::verifier::Attempt;
use crate::conductor::access_tokens::AccessTokens;
use crate::conductor::budget::Budget;
use crate::conductor::factors::second_factors::SecondFactors;
use crate::conductor::failure::Failure;
use crate::conductor::families::Families;
use crate::conductor::notices::Owner;
use crate::conductor::plans::{ChangedPlan, Plans};
use crate::conductor::trail::{Issued, Trail};
use crate::observe::audit::Auditor;
use crate::protocol::client::grant_type::began_by_password;
use crate::protocol::client::policy::GrantRules;
use crate::protocol::client::registered::Client;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;

/// What the flow of a grant is served with. A flow reaches the parts by these functions alone, so it can neither answer a login
/// that was not weighed nor forget to settle a charge.
pub(crate) struct Rungs {
    pub(super) parts: Parts,
    /// With which clients were found.
    plans: Plans,
}

/// What the rungs are made of.
pub(crate) struct Parts {
    pub(crate) budget: Arc<Budget>,
    pub(crate) users: Users,
    pub(crate) scales: Scales,
    pub(crate) mint: Mint,
    /// If the endpoint gives refresh tokens.
    pub(crate) families: Option<Arc<Families>>,
    pub(crate) access: Arc<AccessTokens>,
    /// If the endpoint asks for second factors.
    pub(crate) factors: Option<Arc<SecondFactors>>,
    pub(crate) rules: GrantRules,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) auditor: Arc<Auditor>,
}

impl Rungs {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, plans: Plans::default() }
    }

    /// The parts that go by a clock, and whether that is the endpoint's.
    pub(crate) fn follow_clock(&self, clock: &SharedClock) -> [(&'static str, bool); 6] {
        let Parts { mint, budget, families, access, factors, auditor, .. } = &self.parts;
        [
            ("the issuer", mint.follow_clock(clock)),
            ("the attempt limiter", budget.follow_clock(clock)),
            ("the refresh token store", families.as_ref().is_none_or(|own| own.follow_clock(clock))),
            ("the verifier of access tokens", access.follow_clock(clock)),
            ("the store of second factors", factors.as_ref().is_none_or(|own| own.once.follow_clock(clock))),
            ("the audit sink or the usage ledger", auditor.follow_clock(clock)),
        ]
    }

    /// Records that the plan of the client's end was changed since it was found before, if anybody would see it.
    #[inline]
    pub(crate) fn note_plan(&self, trail: &Trail) {
        if let (Some(client), true) = (&trail.client, self.parts.auditor.is_observed()) {
            self.tell_plan(client, trail);
        }
    }

    #[inline(never)]
    fn tell_plan(&self, client: &Client, trail: &Trail) {
        let Parts { auditor, clock, .. } = &self.parts;
        let Some(ChangedPlan { before, after }) = self.plans.note(client, || clock.elapsed()) else { return };
        if let Some(times) = auditor.times(&**clock, trail.started) {
            let event = trail.event(AuditOutcome::SunsetChanged { before, after }, times);
            // The request that comes first has nothing to do with it.
            auditor.tell(&AuditEvent { address: None, peer: None, ..event }, None);
        }
    }

    /// The terms of a login.
    #[inline]
    pub(crate) fn terms(&self, client: PermittedClient, form: &Form) -> Result<Terms, TokenError> {
        Terms::of(client, form, &self.parts.rules)
    }

    /// What a refresh may give.
    pub(crate) fn renewal(&self, claim: LiveClaim<'_>, form: &Form) -> Result<Renewal, TokenError> {
        Renewal::of(claim, form, &self.parts.rules)
    }

    pub(crate) fn users(&self) -> &Users {
        &self.parts.users
    }

    /// Charges an attempt on an account, and notes which one it is. Answers the owner that gets a notice of a lock, too.
    // This and what follows are blocks, because an async function would hold its arguments twice.
    #[inline]
    #[allow(clippy::manual_async_fn, reason = "an async function would hold its arguments twice")]
    pub(crate) fn charge<'a>(
        &'a self,
        realm: Option<&'a str>,
        account: &'a AccountKey<'a>,
        fingerprint: Option<Fingerprint>,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<(Charge<OfAccount>, Option<Box<Owner>>), TokenError>> + Send + 'a {
        async move {
            let Parts { budget, auditor, .. } = &self.parts;
            trail.account = auditor.digest(realm, account);
            let charge = budget
                .reserve(Guessed::account(realm, account), fingerprint, trail.client.as_ref(), &mut trail.caller)
                .await?;
            Ok((charge, budget.notices().owner(realm, account)))
        }
    }

    /// Charges an attempt that names no account: it counts on its address.
    pub(crate) fn charge_address<'a>(
        &'a self,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Charge<OfNobody>, TokenError>> + Send + 'a {
        self.parts.budget.reserve(Guessed::nobody(), None, trail.client.as_ref(), &mut trail.caller)
    }

    /// The task that asks the rules, if there are any.
    #[inline]
    pub(crate) fn task(&self) -> impl Future<Output = Option<Waker>> + Send + use<> {
        self.parts.scales.task()
    }

    /// What the host put into a request of these terms, to be handed on: shared with the rules, if a task is to ask any, whose case
    /// it is then.
    #[inline]
    pub(crate) fn share(
        &self,
        extensions: Extensions,
        task: Option<Waker>,
        terms: &Terms,
        trail: &Trail,
    ) -> (HostExtensions, Option<Case>) {
        let Some(task) = task else { return (HostExtensions::Own(extensions), None) };
        let draft = terms.draft(extensions, trail.caller.address);
        (HostExtensions::Shared(draft.clone()), Some(Case::new(draft, task)))
    }

    /// Has the verifier decide on an attempt. `Err` holds the call, if its answer is not there at once.
    #[inline]
    pub(crate) fn verify(
        &self,
        attempt: Attempt,
    ) -> Result<Answer<VerifiedUser>, impl Future<Output = Answer<VerifiedUser>> + Send + Unpin + '_> {
        self.parts.users.verify(attempt, self.parts.scales.looks_at_passwords())
    }

    /// Counts a refresh token that is unknown: see [`Budget::count_unknown`].
    pub(crate) async fn count_unknown<T>(
        &self,
        outcome: &Result<T, TokenError>,
        client: &Client,
        trail: &mut Trail,
    ) -> Result<(), TokenError> {
        self.parts.budget.count_unknown(outcome, client, &mut trail.caller).await
    }

    /// Begins to issue the access token of a grant, and notes its subject.
    pub(crate) fn mint(
        &self,
        grant: Grant,
        trail: &mut Trail,
    ) -> impl Future<Output = Result<Minted, Failure>> + Send + Unpin + '_ {
        self.note_issued(&grant, trail);
        self.parts.mint.begin(grant)
    }

    /// Notes the subject of the tokens.
    #[inline]
    pub(super) fn note_issued(&self, grant: &Grant, trail: &mut Trail) {
        if self.parts.auditor.notes_issued() {
            let by_password = is_by_password(grant, trail);
            trail.issued.put(Issued {
                subject: grant.subject().to_id(),
                scope: grant.scope().clone(),
                grant_type: grant.kind(),
                goes_on: grant.goes_on(),
                by_password,
                methods: grant.methods(),
            });
        }
    }
}

/// Whether the login of a grant began by a password. Of a refreshed one its family knows the name of the grant type alone.
fn is_by_password(grant: &Grant, trail: &Trail) -> bool {
    if grant.kind().is_refresh() {
        trail.family.as_ref().is_some_and(|family| began_by_password(family.began()))
    } else {
        grant.begins_password_login()
    }
}
