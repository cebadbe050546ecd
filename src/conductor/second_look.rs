//! A second look at the user, when the tokens of a login are issued and not yet sent.
//!
//! Between the verdict and the tokens a password may be changed. The program that changes it ends the user's logins afterwards,
//! but this one has just begun, or will only begin then. So it looks once more after it has: a change before this look is
//! seen here, and whatever comes after it finds the tokens and ends them.

use super::answer::Reply;
use super::endpoint::Endpoint;
use super::rungs::{Failure, write_answer};
use super::trail::Trail;
use crate::boundary::backend::BackendError;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::provided::tells_of_provided;
use crate::boundary::verifier::{Recheck, Verdict};
use crate::observe::telemetry;
use crate::protocol::error::Reason;
use crate::protocol::subject::Subject;

/// What there is to look at, and what was seen the first time.
pub(super) struct SecondLook {
    login: Recheck,
    subject: Subject,
}

impl Endpoint {
    /// Made before the grant is issued, if the verifier can tell anything.
    pub(super) fn second_look(&self, grant: &Grant, trail: &Trail) -> Option<Box<SecondLook>> {
        self.can_recheck.then(|| {
            let login = Recheck {
                subject: grant.subject().id().to_owned(),
                client: grant.client().clone(),
                scope: grant.scope().clone(),
                authenticated_at: grant.authenticated_at(),
                address: trail.address,
            };
            Box::new(SecondLook { login, subject: grant.subject().clone() })
        })
    }

    /// Looks again. What has changed is answered like a wrong password, which it is by now.
    pub(super) async fn look_again(&self, look: &SecondLook) -> Result<(), Failure> {
        let verdict = self.patience.accounts.of(self.verifier.recheck(&look.login)).await;
        match verdict {
            Ok(Verdict::Granted(now)) if now.subject.is_same_login(&look.subject) => Ok(()),
            Ok(Verdict::Granted(_)) => Err(Failure::Decided(Reason::CredentialsChanged.into())),
            Ok(Verdict::Denied(denial)) => Err(Failure::Decided(denial.reason().into())),
            Err(error) if tells_of_provided(&error) => {
                telemetry::cannot_recheck();
                Ok(())
            }
            Err(error) => Err(Failure::Untried(error.because(Reason::VerifierFailed))),
        }
    }

    /// Issues an access token alone.
    pub(super) async fn issue_with_second_look(&self, grant: Grant, trail: &mut Trail) -> Result<Reply, Failure> {
        let look = self.second_look(&grant, trail);
        let (issued, scope) = self.mint(grant, trail).await?;
        if let Some(look) = look
            && let Err(failure) = self.look_again(&look).await
        {
            if let Some(tokens) = self.access_tokens() {
                let ending = self.patience.access_tokens.of(tokens.revoke(issued.access_token().expose()));
                // Nobody has got the token, so the refusal stands even if it cannot be ended.
                let _: Result<_, BackendError> = ending.await;
            }
            return Err(failure);
        }
        write_answer(issued, &scope)
    }
}
