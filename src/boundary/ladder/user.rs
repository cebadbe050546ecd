//! Verified users: the application was asked, and said yes (RFC 6749 sections 4.3.2, 4.5 and 6).

use std::future::Future;

use super::asking::Asking;
use super::charge::{UsedCharge, UserCharge};
use crate::boundary::backend::BackendError;
use crate::boundary::extension::{ExtensionGrant, ExtensionRequest};
use crate::boundary::recheck::Recheck;
use crate::boundary::verifier::{Attempt, CredentialVerifier, Denial, Verdict, Verified};
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::secret::secrets::Password;
use crate::protocol::token::credentials;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::Reason;

/// A user whose credentials are right, as the application found out for a charge.
pub(crate) struct VerifiedUser {
    pub(super) verified: Verified,
    /// For those that look at passwords once they were found right.
    pub(super) password: Option<Box<Password>>,
}

impl VerifiedUser {
    pub(crate) fn subject_id(&self) -> &str {
        self.verified.subject.id()
    }
}

/// The answer to a question about a user.
pub(crate) type Answer<User> = Result<Result<User, Denial>, BackendError>;

/// Has the verifier decide on an attempt, which was charged. `keeps_password`: something is to look at the password afterwards.
/// `Err` holds the call, if its answer is not there at once.
#[inline]
pub(crate) fn verify(
    verifier: &dyn CredentialVerifier,
    attempt: Attempt,
    keeps_password: bool,
) -> Result<Answer<VerifiedUser>, impl Future<Output = Answer<VerifiedUser>> + Send + Unpin + '_> {
    let mut password = keeps_password.then(|| Box::new(Password::new(attempt.password().expose().to_owned())));
    Asking::at_once(verifier.verify_at_once(attempt), move |answer| {
        made(answer, |verified| VerifiedUser { verified, password: password.take() })
    })
}

/// Has an extension grant decide on a request, for a charge.
pub(crate) fn exchange(
    grant: &dyn ExtensionGrant,
    request: ExtensionRequest,
    charge: UserCharge,
) -> (impl Future<Output = Answer<VerifiedUser>> + Send + Unpin + '_, UsedCharge) {
    let make = |answer| made(answer, |verified| VerifiedUser { verified, password: None });
    (Asking::new(grant.exchange(request), make), charge.used())
}

/// A user who logged in before, and may still be logged in as the verifier finds now.
pub(crate) struct ReverifiedUser(pub(super) Verified);

impl ReverifiedUser {
    /// The version of its credentials.
    pub(crate) fn credential_version(&self) -> Option<&str> {
        self.0.subject.credential_version()
    }

    /// What it is called on a screen.
    pub(crate) fn login_name(&self) -> Option<&str> {
        self.0.subject.login_name()
    }

    /// Whether it is the same user with the same version of the credentials.
    pub(crate) fn keeps_login(&self, subject: &Subject) -> bool {
        self.0.subject.keeps_login(subject.id(), subject.credential_version())
    }

    /// Whether an access token for the endpoints of second factors is one of the same user with the same version of the credentials.
    pub(crate) fn keeps_token(&self, record: &AccessTokenRecord) -> bool {
        credentials::are_those_of(record, &self.0.subject)
    }

    /// The user of a login that was left open, if it is the same one with the same version of the credentials.
    pub(crate) fn returning_to(self, challenge: &Challenge) -> Result<ReturningUser, Reason> {
        let Challenge { subject, credential_version, .. } = challenge;
        let keeps_login = self.0.subject.keeps_login(subject, credential_version.as_deref());
        if keeps_login { Ok(ReturningUser(self.0)) } else { Err(Reason::CredentialsChanged) }
    }
}

/// A user who may go on with a login that was left open. For nobody else does a second factor count: an enrolment by a password that
/// was changed since never ends.
pub(crate) struct ReturningUser(pub(super) Verified);

/// Has the verifier decide whether a login still holds.
pub(crate) fn recheck<'a>(
    verifier: &'a dyn CredentialVerifier,
    login: &'a Recheck,
) -> impl Future<Output = Answer<ReverifiedUser>> + Send + Unpin + 'a {
    Asking::new(verifier.recheck(login), |answer| made(answer, ReverifiedUser))
}

#[inline]
fn made<User>(answer: Result<Verdict, BackendError>, make: impl FnOnce(Verified) -> User) -> Answer<User> {
    Ok(match answer? {
        Verdict::Granted(verified) => Ok(make(verified)),
        Verdict::Denied(denial) => Err(denial),
    })
}
