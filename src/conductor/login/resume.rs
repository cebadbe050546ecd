//! The rungs of a login that was left open and is finished now.

use std::future::{Future, Pending, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::Poll;

use http::Extensions;
use zeroize::Zeroizing;

use super::issue::issue_in_place;
use super::rungs::{Parts, Rungs};
use super::scales::{Case, refused};
use crate::boundary::audit::{AuditOutcome, FactorStep};
use crate::boundary::backend::BackendError;
use crate::boundary::ladder::challenge::Opened;
use crate::boundary::ladder::charge::{Charge, Guessed, OfFactor, OfRecovery, UsedCharge};
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::exception::LookedUp;
use crate::boundary::ladder::factor::Shown;
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::ReverifiedUser;
use crate::boundary::recheck::Recheck;
use crate::conductor::answer::Reply;
use crate::conductor::factors::second_factors::{SecondFactors, store_failed};
use crate::conductor::failure::Failure;
use crate::conductor::trail::Trail;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::sunset::judge::Admission;
use crate::protocol::factor::authenticator::AuthenticatorId;
use crate::protocol::token::claims::Claims;
use crate::protocol::token::family::FamilyId;
use crate::protocol::wire::error::{Reason, TokenError};

/// A login that was left open, and what was shown to finish it.
pub(crate) struct Resumed {
    pub(crate) terms: Terms,
    pub(crate) shown: Shown,
    /// A member of the answer, with its value.
    pub(crate) member: Option<(&'static str, Zeroizing<String>)>,
    /// What a look-up has found, if one was [asked](Rungs::admit).
    pub(crate) looked_up: Option<LookedUp>,
    /// The refusal where what was shown does not count.
    pub(crate) wrong: Reason,
}

impl Rungs {
    /// The terms of a login that was left open and began by this grant type.
    pub(crate) fn terms_of_open(
        &self,
        client: PermittedClient,
        opened: &Opened,
        began: GrantType,
    ) -> Result<Terms, TokenError> {
        Terms::of_open(client, opened, began, &self.parts.rules, || self.parts.clock.now())
    }

    /// Refuses a login that was left open if the plan of the client has no place for its user any more. It comes before anything is
    /// spent that the user can show once. Answers what a look-up has found, if one was asked.
    pub(crate) async fn admit(&self, terms: &Terms, opened: &Opened) -> Result<Option<LookedUp>, TokenError> {
        let Parts { scales, rules, clock, .. } = &self.parts;
        let now = clock.now();
        let (found, reason) = match terms.admission_of_open(opened, rules, now) {
            Admission::In => return Ok(None),
            Admission::Out(reason) => (None, reason),
            Admission::Asked(reason) => (Some(scales.look_up(terms.who_is_out(opened)).await?), reason),
        };
        let excepting = found.filter(|found| found.excepts_at(now));
        excepting.map(Some).ok_or_else(|| terms.refused_as_out(reason))
    }

    /// Charges a code of a second factor.
    pub(crate) async fn charge_factor(
        &self,
        opened: &Opened,
        trail: &mut Trail,
    ) -> Result<Charge<OfFactor>, TokenError> {
        let guessed = Guessed::factor(opened);
        self.parts.budget.reserve(guessed, None, trail.client.as_ref(), &mut trail.caller).await
    }

    /// Charges a recovery code.
    pub(crate) async fn charge_recovery_code(
        &self,
        opened: &Opened,
        trail: &mut Trail,
    ) -> Result<Charge<OfRecovery>, TokenError> {
        let guessed = Guessed::recovery_code(opened);
        self.parts.budget.reserve(guessed, None, trail.client.as_ref(), &mut trail.caller).await
    }

    /// Finishes a login whose second factor was shown right: consumes its challenge, looks at the user again, and goes on as each login
    /// does.
    pub(crate) async fn resume(
        &self,
        factors: &SecondFactors,
        resumed: Resumed,
        extensions: Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, Failure> {
        let Resumed { terms, shown, member, looked_up, wrong } = resumed;
        let question = terms.question(shown.challenge(), trail.caller.address);
        let challenge = shown.challenge();
        let (attempt, family) = (challenge.attempt, challenge.family.as_ref().map(|family| family.id));
        let spent = factors.spend(shown).await.map_err(store_failed)?;
        let spent = spent.ok_or_else(|| decided(Reason::MalformedMfaToken))?;
        let returning = spent.returning(self.recheck(&question).await?).map_err(decided)?;
        let now = self.parts.clock.now();
        let confirmed = returning.confirms().map(|(subject, id)| (subject.to_owned(), id.clone()));
        let returned = {
            let counting = pin!(returning.count(&*factors.store, now));
            factors.patience.of(counting).await.map_err(store_failed)?
        };
        let returned = returned.ok_or_else(|| decided(wrong))?;
        if let Some((subject, id)) = confirmed {
            self.note_enrolled(&subject, &id, trail);
        }
        let task = self.parts.scales.task().await;
        let case = task.map(|task| Case::new(terms.draft_of_open(extensions, trail.caller.address), task));
        let login = Login::resumed(terms, returned, self.demand(), &self.parts.rules, now);
        let mut login = login.map_err(decided)?;
        if let Some(found) = looked_up {
            login.note_look_up(found).map_err(|unweighed| refused(*unweighed))?;
        }
        let member = member.map(|(name, value)| Claims::one(name, &*value)).transpose();
        let member = member.map_err(|error| store_failed(BackendError::fault(error)))?;
        let begun = self.parts.scales.begin(&mut login, case);
        let grant = self.weigh_begun(login, begun, attempt, member.as_ref(), trail).await?;
        let reply = issue_in_place(self, grant, trail).await?;
        if let Some(family) = family {
            self.replace(family, trail).await?;
        }
        Ok(reply)
    }

    /// Looks again at the user of a login that is still open: it may go on as long as it is the same one, with the same credentials.
    pub(crate) async fn look_again(&self, terms: &Terms, opened: &Opened, trail: &Trail) -> Result<(), Failure> {
        let question = terms.question(opened.challenge(), trail.caller.address);
        let user = self.recheck(&question).await?;
        user.returning_to(opened.challenge()).map(drop).map_err(decided)
    }

    async fn recheck(&self, question: &Recheck) -> Result<ReverifiedUser, Failure> {
        match self.parts.users.recheck(question).await {
            Ok(Ok(user)) => Ok(user),
            Ok(Err(denial)) => Err(decided(denial.reason())),
            Err(error) => Err(Failure::of(error, Reason::VerifierFailed)),
        }
    }

    /// Ends the family that a login was begun to refresh. One that has ended meanwhile takes the login with it.
    async fn replace(&self, family: FamilyId, trail: &Trail) -> Result<(), Failure> {
        let Some(families) = &self.parts.families else { return Ok(()) };
        if families.end(family).await.map_err(Failure::Untried)? {
            return Ok(());
        }
        if let Some(begun) = &trail.family {
            // Nobody has got the tokens, so the refusal stands even if they cannot be ended.
            let _ = families.end(begun.id()).await;
        }
        Err(decided(Reason::RefreshTokenEnded))
    }

    /// Records that an enrolment has ended, whatever becomes of its login.
    fn note_enrolled(&self, subject: &str, id: &AuthenticatorId, trail: &Trail) {
        let Parts { auditor, clock, .. } = &self.parts;
        if let Some(times) = auditor.times(&**clock, trail.started) {
            let (step, authenticator) = (FactorStep::Enrolled, Some(id.as_str()));
            auditor.tell(&trail.event(AuditOutcome::Factor { step, subject, authenticator }, times), None);
        }
    }

    /// Settles the charge of what was shown by how the login ended. One that was finished gives back what its password was charged, and
    /// so does one that the end of its client keeps out, or that nobody could say this of: all that was shown was right. Such a login
    /// stays open until its challenge is over, for the end may be put off. What has gone back once does not go back again.
    pub(crate) async fn settle_resumed(
        &self,
        charge: UsedCharge,
        mut finishing: impl Future<Output = Result<Reply, Failure>> + Send + Unpin,
        attempt: Option<[u8; 32]>,
        address: Option<IpAddr>,
    ) -> Result<Reply, TokenError> {
        let budget = &self.parts.budget;
        let mut was_right = false;
        let watched = poll_fn(|cx| {
            let polled = Pin::new(&mut finishing).poll(cx);
            if let Poll::Ready(outcome) = &polled {
                was_right = matches!(outcome, Ok(_) | Err(Failure::Out(_)));
            }
            polled
        });
        let ended = budget.settle(charge, Err(watched), None, address).await;
        let Some(attempt) = attempt.filter(|_| was_right) else { return ended };
        let finished: Result<_, Pending<_>> = Ok(Ok(ended));
        budget.settle(UsedCharge::resumed(attempt), finished, None, address).await?
    }
}

fn decided(reason: Reason) -> Failure {
    Failure::Decided(reason.into())
}
