//! Users, as the application's verifier knows them.

use std::future::Future;

use crate::boundary::account::AccountKey;
use crate::boundary::backend::BackendError;
use crate::boundary::can_recheck::can_recheck;
use crate::boundary::ladder::user::{self, Answer, ReverifiedUser, VerifiedUser};
use crate::boundary::recheck::Recheck;
use crate::boundary::verifier::{Attempt, CredentialVerifier};
use crate::conductor::trail::Caller;
use crate::observe::patience::{Bound, answered};

/// The verifier, with the time of its calls.
pub(crate) struct Users {
    verifier: Box<dyn CredentialVerifier>,
    can_recheck: bool,
    look_up: Bound,
    verification: Bound,
}

impl Users {
    /// `look_up` bounds what finds a user, `verification` what hashes.
    pub(crate) fn new(verifier: Box<dyn CredentialVerifier>, look_up: Bound, verification: Bound) -> Self {
        Self { can_recheck: can_recheck(&*verifier), verifier, look_up, verification }
    }

    /// Whether the verifier can recheck a login.
    pub(crate) fn can_recheck(&self) -> bool {
        self.can_recheck
    }

    /// The account that a user name means.
    #[inline]
    #[allow(clippy::manual_async_fn, reason = "an async function would hold its arguments twice")]
    pub(crate) fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
        caller: &mut Caller,
    ) -> impl Future<Output = Result<AccountKey<'a>, BackendError>> + Send {
        async move {
            let begun = self.verifier.account_key(username, realm).into_ready();
            answered!(begun, waiting => caller.waits(self.look_up.of(waiting)))
        }
    }

    /// Decides on an attempt, as [`user::verify`] does.
    #[inline]
    pub(crate) fn verify(
        &self,
        attempt: Attempt,
        keeps_password: bool,
    ) -> Result<Answer<VerifiedUser>, impl Future<Output = Answer<VerifiedUser>> + Send + Unpin + '_> {
        user::verify(&*self.verifier, attempt, keeps_password).map_err(|deciding| self.verification.of(deciding))
    }

    /// Checks that the user of an extension grant, at a login in this realm, can be one of the verifier.
    pub(crate) fn check(&self, given: Answer<VerifiedUser>, realm: Option<&str>) -> Answer<VerifiedUser> {
        if let Ok(Ok(user)) = &given {
            self.verifier.check_subject(user.subject_id(), realm)?;
        }
        given
    }

    /// Decides whether a login still holds.
    pub(crate) fn recheck<'a>(
        &'a self,
        login: &'a Recheck,
    ) -> impl Future<Output = Answer<ReverifiedUser>> + Send + Unpin + 'a {
        self.look_up.of(user::recheck(&*self.verifier, login))
    }
}
