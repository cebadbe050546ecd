//! A second look at the user, when the tokens of a login are issued and not yet sent.
//!
//! Between the verdict and the tokens a password may be changed. The program that changes it ends the user's logins afterwards,
//! but this one has just begun, or will only begin then. So it looks once more after it has: a change before this look is
//! seen here, and whatever comes after it finds the tokens and ends them.

use super::users::Users;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::provided::tells_of_provided;
use crate::boundary::recheck::Recheck;
use crate::conductor::failure::Failure;
use crate::conductor::trail::Trail;
use crate::observe::telemetry;
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::Reason;

/// What there is to look at, and what was seen the first time.
pub(super) struct SecondLook {
    login: Recheck,
    subject: Subject,
}

impl SecondLook {
    /// Made before the grant is issued, if the verifier can recheck: of a login by password, and of any that begins a family.
    #[inline]
    pub(super) fn at(grant: &Grant, users: &Users, trail: &Trail) -> Option<Box<Self>> {
        let is_wanted = users.can_recheck() && (grant.begins_password_login() || grant.family().is_some());
        is_wanted
            .then(|| Box::new(Self { login: grant.question(trail.caller.address), subject: grant.subject().clone() }))
    }

    /// Looks again. What has changed is answered like a wrong password, which it is by now.
    pub(super) async fn look(&self, users: &Users) -> Result<(), Failure> {
        match users.recheck(&self.login).await {
            Ok(Ok(now)) if now.keeps_login(&self.subject) => Ok(()),
            Ok(Ok(_)) => Err(denied(Reason::CredentialsChanged)),
            Ok(Err(denial)) => Err(denied(denial.reason())),
            Err(error) if tells_of_provided(&error) => {
                telemetry::cannot_recheck();
                Ok(())
            }
            Err(error) => Err(Failure::Untried(error.because(Reason::VerifierFailed))),
        }
    }
}

fn denied(reason: Reason) -> Failure {
    telemetry::recheck_disagrees(reason.as_str());
    Failure::Decided(reason.into())
}
