//! A user as a table holds it.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::boundary::verifier::Denial;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::host_code::HostCode;

/// A user as the store knows it.
///
/// ```
/// use tower_password_grant::store::{StoredUser, UserStatus};
///
/// let user = StoredUser::new("user-17")
///     .with_password_hash("$argon2id$v=19$m=19456,t=2,p=1$..".to_owned())
///     .with_status(UserStatus::Active);
/// ```
#[derive(Clone)]
pub struct StoredUser {
    subject: Subject,
    password_hash: Option<String>,
    status: UserStatus,
}

impl StoredUser {
    /// An active user without a usable password. `id` becomes [`Subject::id`]: a key that never changes.
    #[must_use]
    pub fn new(id: impl Into<Cow<'static, str>>) -> Self {
        Self { subject: Subject::new(id), password_hash: None, status: UserStatus::Active }
    }

    /// The stored hash as it is in the table: a PHC string of Argon2, or with the feature `legacy-hashes` one of bcrypt,
    /// scrypt or PBKDF2, as [many systems](crate::manual::password_hashes) write them. Default: none, so that no password
    /// is right.
    #[must_use]
    pub fn with_password_hash(mut self, hash: impl Into<Option<String>>) -> Self {
        self.password_hash = hash.into();
        self
    }

    /// Whether the user may log in. Looked at only after the password was found right. Default: active.
    #[must_use]
    pub fn with_status(mut self, status: UserStatus) -> Self {
        self.status = status;
        self
    }

    /// A text that changes whenever the user's logins so far are to end, above all with a new password: a counter, or the time
    /// of the last change. It becomes [`Subject::credential_version`]. Default: one that follows the password hash, so that a
    /// hash which is [upgraded](crate::manual::password_hashes) at a login ends the refresh tokens of the user's other logins; a version of your own
    /// does not, and must change with each new password.
    #[must_use]
    pub fn with_credential_version(mut self, version: impl Into<Arc<str>>) -> Self {
        self.subject = self.subject.with_credential_version(version);
        self
    }

    /// The [id](Subject::id).
    #[must_use]
    pub fn id(&self) -> &str {
        self.subject.id()
    }

    /// The stored hash, as it was given.
    #[must_use]
    pub fn password_hash(&self) -> Option<&str> {
        self.password_hash.as_deref()
    }

    /// The version that was [given](Self::with_credential_version); `None` if it follows the hash.
    #[must_use]
    pub fn credential_version(&self) -> Option<&str> {
        self.subject.credential_version()
    }

    /// Whether the user may log in.
    #[must_use]
    pub const fn status(&self) -> &UserStatus {
        &self.status
    }

    /// The subject with the version of its credentials: what a verifier grants after it found the password right, unless
    /// [`UserStatus::denial`] says otherwise.
    #[must_use]
    pub fn into_subject(self) -> Subject {
        if self.subject.credential_version().is_some() {
            return self.subject;
        }
        match &self.password_hash {
            // Of a hash with its salt: a reader learns nothing that helps to guess.
            Some(hash) => {
                let digest = SecretDigest::of(trimmed(hash));
                let version: String = digest.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
                self.subject.with_version_of_hash(version)
            }
            None => self.subject,
        }
    }

    /// Attaches data for the issuer; it becomes [`Subject::data`].
    #[must_use]
    pub fn with_data<T: Any + Send + Sync>(mut self, data: T) -> Self {
        self.subject = self.subject.with_data(data);
        self
    }
}

impl fmt::Debug for StoredUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredUser")
            .field("subject", &self.subject)
            .field("has_password", &self.password_hash.is_some())
            .field("status", &self.status)
            .finish()
    }
}

/// Whether a user may log in. The client never learns it: every denial has the same answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserStatus {
    /// The user may log in.
    #[default]
    Active,
    /// The account is disabled.
    Disabled,
    /// The account is locked by the application.
    Locked,
    /// The password has to be changed first.
    PasswordExpired,
    /// The account's e-mail address or the like is not verified yet.
    Unverified,
    /// Denied for a reason of the application's own.
    Denied(HostCode),
}

impl UserStatus {
    /// Why the user may not log in, as a verifier answers it; `None` for an active one.
    #[must_use]
    pub fn denial(&self) -> Option<Denial> {
        match self {
            Self::Active => None,
            Self::Disabled => Some(Denial::Disabled),
            Self::Locked => Some(Denial::Locked),
            Self::PasswordExpired => Some(Denial::PasswordExpired),
            Self::Unverified => Some(Denial::Unverified),
            Self::Denied(code) => Some(Denial::Custom(code.clone())),
        }
    }
}

/// The text itself: a column of fixed width fills it up with spaces, and libsodium with zero bytes.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0')
}
