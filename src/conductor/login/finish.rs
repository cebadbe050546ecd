//! The last rungs of a login, once the application has decided on it: conclude, weigh, issue, settle.

use std::future::Future;
use std::time::SystemTime;

use http::Extensions;

use super::issue::{Begun, Issuing, issue};
use super::rungs::Rungs;
use super::scales::{Case, Scales};
use crate::boundary::ladder::charge::UsedCharge;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::{Renewal, Terms};
use crate::boundary::ladder::user::{Answer, ReverifiedUser, VerifiedUser};
use crate::boundary::verifier::Denial;
use crate::conductor::answer::Reply;
use crate::conductor::failure::Failure;
use crate::conductor::notices::Owner;
use crate::conductor::trail::Trail;
use crate::observe::patience::answered;
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
            Ok(login) if Scales::have_questions(&login, case.as_ref()) => self.question(login, case, trail),
            Ok(login) => self.begin(login, trail),
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
        let mut login = Login::renewed(renewal, user, &self.parts.rules, now)?;
        let found = answered!(scales.begin(&mut login, case), hearing => {
            Box::pin(scales.find_out(&mut login, hearing, trail))
        });
        found.and_then(|()| scales.weigh(login)).map_err(Failure::into_error)
    }

    /// Begins to issue the tokens of a login of which something has to be found out first.
    #[inline(never)]
    fn question<'a>(&'a self, mut login: Login, case: Option<Case>, trail: &'a mut Trail) -> Begun<'a> {
        let scales = &self.parts.scales;
        match scales.begin(&mut login, case) {
            Ok(Ok(())) => self.begin(login, trail),
            Ok(Err(failure)) => Ok(Err(failure)),
            Err(hearing) => Err(Issuing::later(async move {
                scales.find_out(&mut login, hearing, trail).await?;
                answered!(self.begin(login, trail))
            })),
        }
    }

    /// Weighs a login and begins to issue its tokens.
    // The common weighing takes no time, and a grant is too large to lie in a future.
    #[inline(always)]
    fn begin<'a>(&'a self, login: Login, trail: &'a mut Trail) -> Begun<'a> {
        match self.parts.scales.weigh(login) {
            Ok(grant) => issue(self, grant, trail),
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// Takes the answer about the user, and concludes the login.
    #[inline(always)]
    fn conclude(&self, terms: Terms, answer: Answer<VerifiedUser>, failure: Reason) -> Result<Login, Failure> {
        match answer {
            Ok(Ok(user)) => {
                let now = self.parts.clock.now();
                Login::of(terms, user, &self.parts.rules, now).map_err(|reason| Failure::Decided(reason.into()))
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
