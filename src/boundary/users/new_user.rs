//! A user on the way into a store that has a table of users.

use std::collections::BTreeSet;
use std::fmt;

use super::login_name::LoginName;
use super::stored_user::{StoredUser, UserStatus};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::BackendError;

/// A user to be added to a store that keeps users itself, by `SqliteStore::add_user` or `PostgresStore::add_user`.
///
/// ```
/// use tower_password_grant::store::NewUser;
///
/// let alice = NewUser::new("user-17", "alice")
///     .with_alias("alice@example.org")
///     .with_password_hash("$argon2id$v=19$m=19456,t=2,p=1$..".to_owned());
/// # let _ = alice;
/// ```
#[allow(dead_code, reason = "for rooms, which are features")]
#[derive(Clone)]
pub struct NewUser {
    pub(crate) id: String,
    names: BTreeSet<String>,
    pub(crate) realm: Option<String>,
    pub(crate) password_hash: Option<String>,
    pub(crate) status: UserStatus,
    pub(crate) credential_version: u32,
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

    /// A user of another directory. The versions of credentials are counted in the store, so one that is no number of 32 bits
    /// begins anew.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn moved(user: &StoredUser, login: &LoginName<'_>, realm: Option<&str>) -> Self {
        let version = user.credential_version().and_then(|version| version.parse().ok());
        Self::new(user.id(), login.canonical())
            .with_realm(realm)
            .with_password_hash(user.password_hash().map(str::to_owned))
            .with_status(user.status().clone())
            .with_credential_version(version.unwrap_or_default())
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

    /// The names in their canonical form, in their order.
    ///
    /// # Errors
    /// Fails for a name of white space and invisible characters only.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn names(&self) -> Result<&BTreeSet<String>, BackendError> {
        if self.names.contains("") { Err(no_name()) } else { Ok(&self.names) }
    }
}

/// All names of a user in their canonical form, in their order.
///
/// # Errors
/// Fails for no names, and for one of white space and invisible characters only.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn canonical_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<String>, BackendError> {
    let names: BTreeSet<String> = names.into_iter().map(canonical).collect();
    if names.is_empty() || names.contains("") { Err(no_name()) } else { Ok(names) }
}

fn canonical(name: &str) -> String {
    AccountKey::canonical(name).into_text().into_owned()
}

#[allow(dead_code, reason = "for rooms, which are features")]
fn no_name() -> BackendError {
    BackendError::fault("a login name is empty: give one with a visible character")
}

impl fmt::Debug for NewUser {
    /// Without the names and the hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}
