//! What an operator sees of a user.

use std::fmt;

use super::stored_user::UserStatus;

/// A user of a store that keeps users itself, as its operator sees it: `SqliteStore::users` and `PostgresStore::users` list them.
#[derive(Clone)]
pub struct UserEntry {
    id: String,
    realm: Option<String>,
    names: Vec<String>,
    status: UserStatus,
    has_password: bool,
}

impl UserEntry {
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) const fn new(id: String, realm: Option<String>, status: UserStatus, has_password: bool) -> Self {
        Self { id, realm, names: Vec::new(), status, has_password }
    }

    /// Names in alphabetical order.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn add_names(&mut self, names: impl IntoIterator<Item = String>) {
        self.names.extend(names);
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The realm, if the user is in one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// Login name and aliases, each in its [canonical form](crate::user::AccountKey::canonical), in alphabetical order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the user may log in.
    #[must_use]
    pub const fn status(&self) -> &UserStatus {
        &self.status
    }

    /// Whether there is a password.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.has_password
    }
}

impl fmt::Debug for UserEntry {
    /// Without the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserEntry").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}
