//! A user on the way into the store.

use std::collections::BTreeSet;
use std::fmt;

use crate::boundary::account::AccountKey;
use crate::boundary::users::stored_user::UserStatus;

/// A user to be [added](crate::sqlite::SqliteStore::add_user).
///
/// ```
/// use tower_password_grant::sqlite::NewUser;
///
/// let alice = NewUser::new("user-17", "alice")
///     .with_alias("alice@example.org")
///     .with_password_hash("$argon2id$v=19$m=19456,t=2,p=1$..".to_owned());
/// ```
#[derive(Clone)]
pub struct NewUser {
    pub(super) id: String,
    /// In their canonical form.
    pub(super) names: BTreeSet<String>,
    pub(super) realm: Option<String>,
    pub(super) password_hash: Option<String>,
    pub(super) status: UserStatus,
    pub(super) credential_version: u32,
}

impl NewUser {
    /// An active user without a realm and a password. `id` becomes [`Subject::id`](crate::Subject::id): a key that
    /// never changes and is never given to another user. `login` is kept in its [canonical
    /// form](crate::user::AccountKey::canonical).
    #[must_use]
    pub fn new(id: impl Into<String>, login: &str) -> Self {
        Self {
            id: id.into(),
            names: BTreeSet::from([canonical(login)]),
            realm: None,
            password_hash: None,
            status: UserStatus::Active,
            credential_version: 0,
        }
    }

    /// Another name for the login: an e-mail address, say. Default: none.
    #[must_use]
    pub fn with_alias(mut self, name: &str) -> Self {
        self.names.insert(canonical(name));
        self
    }

    /// The realm of the user: only logins in this realm find it, or, without one, those of clients that list none. Default: none.
    #[must_use]
    pub fn with_realm(mut self, realm: Option<&str>) -> Self {
        self.realm = realm.map(str::to_owned);
        self
    }

    /// The hash of the password, as `Argon2Verifier::hash_password` gives it. Default: none, so that no password is
    /// right.
    #[must_use]
    pub fn with_password_hash(mut self, hash: impl Into<Option<String>>) -> Self {
        self.password_hash = hash.into();
        self
    }

    /// Whether the user may log in. Default: active.
    #[must_use]
    pub fn with_status(mut self, status: UserStatus) -> Self {
        self.status = status;
        self
    }

    /// The [version of the credentials](crate::Subject::with_credential_version), for users who come from another store
    /// with their refresh tokens. Default: 0.
    #[must_use]
    pub fn with_credential_version(mut self, version: u32) -> Self {
        self.credential_version = version;
        self
    }
}

pub(super) fn canonical(name: &str) -> String {
    AccountKey::canonical(name).as_str().to_owned()
}

impl fmt::Debug for NewUser {
    /// Without the names and the hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}
