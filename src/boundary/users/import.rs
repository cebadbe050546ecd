//! Users who move from one directory to another.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::boundary::verifier::{Attempt, Verified};
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::Password;
use crate::protocol::user::subject::Subject;

/// Takes users of another directory, each at the login at which their password was found right there; see
/// [`Migrate`](crate::realms::Migrate).
///
/// `Argon2Verifier` is one if its store is a [`UserInsert`](crate::store::UserInsert), as `SqliteStore` is.
///
/// # Contract
/// - `import` inserts if absent, in one step: if the id of the subject or the login name is taken in this realm, it changes nothing
///   and answers `None`. Of several calls for one user at once exactly one answers a subject.
/// - The user gets the id of the subject, and is found from then on by the login name, in the realm, with the password.
/// - The answer is the subject as this directory's own [`verify`](crate::CredentialVerifier::verify) and
///   [`recheck`](crate::CredentialVerifier::recheck) would give it: the same id, and the
///   [credential version](Subject::credential_version) that counts here. If that can be the version which the given subject has,
///   the logins that the user has already go on; otherwise they end at their next refresh.
/// - Each later change of the password changes that version, or the logins of before go on.
/// - A user whose [scope](ImportedUser::scope) the other directory narrows is taken with that limit, or not at all: an error then leaves
///   the user there. Otherwise the second login would give more than the first.
/// - A user is there whole or not at all, also when the process is killed.
///
/// # Security
/// It is called only after the other directory said yes, so the password is right. Hash it before it is kept, as at a sign-up. A
/// user who is there already must stay as it is: an import that overwrote a password would bring an old one back.
///
/// # Cancellation
/// The future is dropped when the client hangs up, or when it takes longer than 3 seconds. The user is then imported or not; if not, at the next
/// login.
///
/// # Errors
/// A [`BackendError`] fails no login of a user who is not here: an event says that the user could not be moved, and if
/// [`recheck`](crate::CredentialVerifier::recheck) does not know the id either, the login goes on by what the other directory said.
/// The next one tries again.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no users of another directory",
    note = "`Argon2Verifier` does if its store is a `UserInsert`; a verifier of your own implements `UserImport` with `#[async_trait]`"
)]
pub trait UserImport: Send + Sync + 'static {
    /// Adds the user if there is neither one with this id nor one with this name, and answers the subject then.
    async fn import(&self, user: ImportedUser) -> Result<Option<Subject>, BackendError>;
}

#[async_trait]
impl<I: UserImport + ?Sized> UserImport for Arc<I> {
    async fn import(&self, user: ImportedUser) -> Result<Option<Subject>, BackendError> {
        (**self).import(user).await
    }
}

/// A user that another directory found right, for a [`UserImport`].
pub struct ImportedUser {
    verified: Verified,
    attempt: Attempt,
}

impl ImportedUser {
    /// The user that the other directory granted for this attempt.
    pub(crate) fn new(verified: Verified, attempt: Attempt) -> Self {
        let subject = verified.subject.for_another_directory();
        Self { verified: Verified { subject, ..verified }, attempt }
    }

    /// The login at which the user moves.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// The subject as the other directory gave it, with its data, and with its credential version if the directory states one
    /// itself. One that only follows a [`StoredUser`](crate::store::StoredUser)'s hash is left out: kept here, it would not change
    /// with the next password.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.verified.subject()
    }

    /// The most that the user may get by the word of the other directory ([`Verdict::granted_within`](crate::Verdict::granted_within));
    /// `None` for all that is asked for.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.verified.scope()
    }

    /// The login name exactly as it was sent: one of the names of the user, in one spelling. `LoginName` gives its forms.
    #[must_use]
    pub fn username(&self) -> &str {
        self.attempt.username()
    }

    /// The realm of the login, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.attempt.realm()
    }

    /// The password exactly as it was sent.
    #[must_use]
    pub fn password(&self) -> &Password {
        self.attempt.password()
    }

    /// Takes the password out, to move it to another thread.
    #[must_use]
    pub fn into_password(self) -> Password {
        self.attempt.into_password()
    }
}

impl fmt::Debug for ImportedUser {
    /// Without the name and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedUser").field("subject", self.subject()).finish_non_exhaustive()
    }
}
