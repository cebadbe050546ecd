//! The last rungs of a login, once the application has decided on it: conclude, weigh, issue, settle.

use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use http::Extensions;

use super::issue::{Begun, Issuing, issue, issue_in_place};
use super::rungs::Rungs;
use super::scales::{AtOnce, Case, refused};
use crate::boundary::ladder::charge::UsedCharge;
use crate::boundary::ladder::clearance::Demand;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::{Renewal, Terms};
use crate::boundary::ladder::unweighed::Unweighed;
use crate::boundary::ladder::user::{Answer, ReverifiedUser, VerifiedUser};
use crate::boundary::verifier::Denial;
use crate::conductor::answer::Reply;
use crate::conductor::failure::Failure;
use crate::conductor::notices::Owner;
use crate::conductor::trail::Trail;
use crate::observe::patience::answered;
use crate::protocol::token::claims::Claims;
use crate::protocol::wire::error::{Reason, TokenError};

/// What the application decided on a charged attempt, and what is settled for it.
pub(crate) struct Decided {
    pub(crate) answer: Answer<VerifiedUser>,
    /// Why nothing was decided, where that is so.
    pub(crate) failure: Reason,
    pub(crate) charge: UsedCharge,
    /// The owner that gets the notice of a lock.
    pub(crate) owner: Option<Box<Owner>>,
    /// For the rules, if there are any.
    pub(crate) case: Option<Case>,
}

/// The weighing of a login of which something is still to be found out.
pub(super) type Weighing<'a> = Pin<Box<dyn Future<Output = Result<Grant, Failure>> + Send + 'a>>;

impl Rungs {
    /// Finishes a login: concludes it, weighs it, issues its tokens, and settles the charge by how that ended. The only way of a
    /// flow to the answer of a login.
    ///
    /// What takes no time is done before the future is made, so that it holds neither the terms nor the login.
    #[inline(always)]
    pub(crate) fn finish<'a>(
        &'a self,
        terms: Terms,
        decided: Decided,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Reply, TokenError>> + Send + 'a {
        let Decided { answer, failure, charge, owner, case } = decided;
        let address = trail.caller.address;
        let issuing = match self.conclude(terms, answer, failure) {
            Err(failure) => Ok(Err(failure)),
            Ok(mut login) => match self.parts.scales.begin(&mut login, case) {
                Ok(Err(failure)) => Ok(Err(failure)),
                Ok(Ok(())) if self.parts.factors.is_none() => self.begin(login, trail),
                begun => Err(self.question(login, begun, &charge, trail)),
            },
        };
        self.parts.budget.settle(charge, issuing, owner, address)
    }

    /// Renews the login of a family for its user, and weighs it. There is no charge to settle: a refresh guesses nothing.
    pub(crate) async fn renew(
        &self,
        renewal: Renewal,
        user: ReverifiedUser,
        now: SystemTime,
        extensions: Extensions,
        trail: &mut Trail,
    ) -> Result<Grant, TokenError> {
        let scales = &self.parts.scales;
        let case = scales.task().await.map(|task| Case::new(renewal.draft(extensions, trail.caller.address), task));
        let login = Login::renewed(renewal, user, self.demand(), &self.parts.rules, now)?;
        answered!(self.weigh(login, case, trail)).map_err(Failure::into_error)
    }

    /// What is demanded of each login.
    #[inline(always)]
    pub(super) fn demand(&self) -> Demand {
        self.parts.scales.demand(self.parts.factors.is_some())
    }

    /// Issues the tokens of a login of which something is still to be found out first.
    #[inline(never)]
    fn question<'a>(
        &'a self,
        login: Login,
        begun: AtOnce<'a>,
        charge: &UsedCharge,
        trail: &'a mut Trail,
    ) -> Issuing<'a> {
        let attempt = charge.pending();
        Issuing::later(async move {
            let grant = self.weigh_begun(login, begun, attempt, None, trail).await?;
            issue_in_place(self, grant, trail).await
        })
    }

    /// Finds out what there is to find out of the login of a family, and weighs it. `Err` holds what takes its time.
    #[inline]
    fn weigh<'a>(
        &'a self,
        mut login: Login,
        case: Option<Case>,
        trail: &'a mut Trail,
    ) -> Result<Result<Grant, Failure>, Weighing<'a>> {
        match self.parts.scales.begin(&mut login, case) {
            Ok(found) if self.parts.factors.is_none() => Ok(found.and_then(|()| weigh_alone(login))),
            begun => Err(Box::pin(self.weigh_begun(login, begun, None, None, trail))),
        }
    }

    /// Weighs a login of which something was found out already. `attempt`: what is settled once a login that is left open is finished.
    /// `member`: what the answer has beside what the rules add.
    pub(super) async fn weigh_begun(
        &self,
        mut login: Login,
        begun: AtOnce<'_>,
        attempt: Option<[u8; 32]>,
        member: Option<&Claims>,
        trail: &mut Trail,
    ) -> Result<Grant, Failure> {
        match begun {
            Ok(found) => found?,
            Err(hearing) => self.parts.scales.find_out(&mut login, hearing, trail).await?,
        }
        if let Some(member) = member {
            login.tell(member);
        }
        let Some(factors) = &self.parts.factors else { return weigh_alone(login) };
        let listed = factors.demand_of(&mut login).await?;
        if login.manages_factors() {
            login.hold_to_credentials();
        }
        match login.weigh().map_err(|unweighed| *unweighed) {
            Ok(grant) => Ok(grant),
            Err(Unweighed::Open(open)) => Err(factors.leave_open(open, listed, attempt).await),
            Err(unweighed) => Err(refused(unweighed)),
        }
    }

    /// Weighs a login and begins to issue its tokens.
    // The common weighing takes no time, and a grant is too large to lie in a future. `inline(always)` would copy the login.
    #[inline]
    fn begin<'a>(&'a self, login: Login, trail: &'a mut Trail) -> Begun<'a> {
        match login.weigh() {
            Ok(grant) => issue(self, grant, trail),
            Err(unweighed) => Ok(Err(refused(*unweighed))),
        }
    }

    /// Takes the answer about the user, and concludes the login.
    #[inline(always)]
    fn conclude(&self, terms: Terms, answer: Answer<VerifiedUser>, failure: Reason) -> Result<Login, Failure> {
        match answer {
            Ok(Ok(user)) => {
                let now = self.parts.clock.now();
                Login::of(terms, user, self.demand(), &self.parts.rules, now)
                    .map_err(|reason| Failure::Decided(reason.into()))
            }
            Ok(Err(denial)) => {
                let error = TokenError::new(denial.reason());
                Err(Failure::Decided(match denial {
                    Denial::Custom(code) if self.parts.scales.reveal_custom_denials() => error.with_host_code(code),
                    _ => error,
                }))
            }
            Err(error) => Err(Failure::of(error, failure)),
        }
    }
}

/// Weighs a login where nobody can show a second factor.
fn weigh_alone(login: Login) -> Result<Grant, Failure> {
    login.weigh().map_err(|unweighed| refused(*unweighed))
}
