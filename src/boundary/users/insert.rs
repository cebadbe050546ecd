//! A user table that takes new users.

use std::sync::Arc;

use async_trait::async_trait;

use super::login_name::LoginName;
use super::store::UserStore;
use super::stored_user::StoredUser;
use crate::boundary::backend::BackendError;

/// A [`UserStore`] that takes users of another directory. With it `Argon2Verifier` is a [`UserImport`](crate::realms::UserImport),
/// and [`Migrate`](crate::realms::Migrate) moves users into the store.
///
/// # Contract
/// - `insert_user` adds the user with its id, hash, status and credential version, under this login name in this realm, whole or not
///   at all: one transaction. If there is a user with this id, or one who is found by this name in this realm, it changes nothing
///   and answers `false`. The database decides that by a unique index (`INSERT .. ON CONFLICT DO NOTHING`): to read first and
///   write then would add a user twice.
/// - Keep the name in the form that [`find`](UserStore::find) asks for. From then on `find` finds the user by it, and
///   [`find_by_id`](UserStore::find_by_id) by the id, both with the hash as it was given: see the contract of [`UserStore`] for the
///   length of its column.
/// - A store that has no column for a [credential version](StoredUser::credential_version) leaves it out. The logins that the user
///   has already then end at their next refresh.
///
/// # Security
/// A user who is there must stay as it is, above all with its hash. The name comes from a request: bind it as a parameter.
///
/// # Cancellation
/// The future is dropped when the client hangs up. The user is then added or not.
///
/// # Errors
/// A [`BackendError`] fails no login; see [`UserImport`](crate::realms::UserImport).
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a store that takes no new users",
    note = "implement `UserInsert` with `#[async_trait]`; `Arc<T>` of a store is one too"
)]
pub trait UserInsert: UserStore {
    /// Adds the user if id and name are free, and answers whether they were.
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<bool, BackendError>;
}

#[async_trait]
impl<S: UserInsert + ?Sized> UserInsert for Arc<S> {
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<bool, BackendError> {
        (**self).insert_user(user, login, realm).await
    }
}
