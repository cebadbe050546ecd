//! The last rungs of a login, once the application has decided on it: conclude, weigh, issue, settle.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::Extensions;

use super::issue::{Issuing, issue};
use super::rungs::Rungs;
use crate::boundary::host_extensions::HostExtensions;
use crate::boundary::ladder::charge::UsedCharge;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::{Renewal, Terms};
use crate::boundary::ladder::user::{Answer, ReverifiedUser, VerifiedUser};
use crate::boundary::login_event::LoginRequest;
use crate::boundary::verifier::Denial;
use crate::conductor::answer::Reply;
use crate::conductor::failure::Failure;
use crate::conductor::notices::Owner;
use crate::conductor::trail::Trail;
use crate::observe::patience::answered;
use crate::protocol::scope::Scope;
use crate::protocol::wire::error::{Reason, TokenError};

/// What the application decided on a charged attempt, and what is settled for it.
pub(crate) struct Decided {
    pub(crate) answer: Answer<VerifiedUser>,
    /// Why nothing was decided, where that is so.
    pub(crate) failure: Reason,
    pub(crate) charge: UsedCharge,
    /// The owner that gets the notice of a lock.
    pub(crate) owner: Option<Box<Owner>>,
    /// What the host put into the request, if rules look at it.
    pub(crate) extensions: Option<Arc<Extensions>>,
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
        let Decided { answer, failure, charge, owner, extensions } = decided;
        let address = trail.caller.address;
        let request = request(terms.scope(), address, extensions);
        let scales = &self.parts.scales;
        let issuing = match self.conclude(terms, answer, failure) {
            Err(failure) => Ok(Err(failure)),
            Ok(login) if scales.have_questions(&login, request.as_ref()) => Err(self.question(login, request, trail)),
            // The common weighing takes no time, and a grant is too large to lie in a future.
            Ok(login) => scales.weigh(login).map_or_else(|failure| Ok(Err(failure)), |grant| issue(self, grant, trail)),
        };
        self.parts.budget.settle(charge, issuing, owner, address)
    }

    /// Renews the login of a family for its user, and weighs it. There is no charge to settle: a refresh guesses nothing.
    pub(crate) async fn renew(
        &self,
        renewal: Renewal,
        user: ReverifiedUser,
        now: SystemTime,
        extensions: HostExtensions,
        trail: &mut Trail,
    ) -> Result<Grant, TokenError> {
        let request = request(renewal.scope(), trail.caller.address, extensions.shared());
        let mut login = Login::renewed(renewal, user, now)?;
        let scales = &self.parts.scales;
        if scales.have_questions(&login, request.as_ref()) {
            Box::pin(scales.find_out(&mut login, request.as_ref(), trail)).await.map_err(Failure::into_error)?;
        }
        scales.weigh(login).map_err(Failure::into_error)
    }

    /// Issues the tokens of a login of which something has to be found out first.
    #[cold]
    #[inline(never)]
    fn question<'a>(&'a self, mut login: Login, request: Option<LoginRequest>, trail: &'a mut Trail) -> Issuing<'a> {
        Issuing::later(async move {
            let scales = &self.parts.scales;
            scales.find_out(&mut login, request.as_ref(), trail).await?;
            answered!(issue(self, scales.weigh(login)?, trail))
        })
    }

    /// Takes the answer about the user, and concludes the login.
    #[inline(always)]
    fn conclude(&self, terms: Terms, answer: Answer<VerifiedUser>, failure: Reason) -> Result<Login, Failure> {
        match answer {
            Ok(Ok(user)) => {
                let now = self.parts.clock.now();
                Login::of(terms, user, now).map_err(|reason| Failure::Decided(reason.into()))
            }
            Ok(Err(denial)) => {
                let error = TokenError::new(denial.reason());
                Err(Failure::Decided(match denial {
                    Denial::Custom(code) if self.parts.reveal_custom_denials => error.with_host_code(code),
                    _ => error,
                }))
            }
            Err(error) => Err(Failure::of(error, failure)),
        }
    }
}

/// What a request says of its login, if rules look at it.
#[inline]
fn request(scope: &Scope, address: Option<IpAddr>, extensions: Option<Arc<Extensions>>) -> Option<LoginRequest> {
    extensions.map(|extensions| LoginRequest { scope: scope.clone(), address, extensions })
}
