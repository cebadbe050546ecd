//! A user table that takes new users.

use std::sync::Arc;

use async_trait::async_trait;

use super::login_name::LoginName;
use super::store::UserStore;
use super::stored_user::StoredUser;
use crate::boundary::backend::BackendError;

/// A [`UserStore`] that takes users of another directory. With it `Argon2Verifier` is a [`UserImport`](crate::realms::UserImport),
/// and [`Migrate`](crate::realms::Migrate) moves users into the store. The suite `testing::contract::user_insert` (feature `testing`)
/// holds your own store to what a test can show of its contract.
///
/// This is the method to copy, over two maps. The other methods are those of [`UserStore`].
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Mutex, PoisonError};
///
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::store::{LoginName, StoredUser, UserInsert, UserStore};
///
/// /// Users by their ids, and ids by realm and canonical login name.
/// #[derive(Default)]
/// struct Tables {
///     users: HashMap<String, StoredUser>,
///     names: HashMap<(Option<String>, String), String>,
/// }
///
/// #[derive(Default)]
/// struct Users(Mutex<Tables>);
///
/// #[async_trait]
/// impl UserInsert for Users {
///     // One transaction: INSERT INTO users .. ON CONFLICT DO NOTHING,
///     // and the same for the name; if either adds no row: ROLLBACK, and `false`.
///     async fn insert_user(
///         &self,
///         user: &StoredUser,
///         login: &LoginName<'_>,
///         realm: Option<&str>,
///     ) -> Result<bool, BackendError> {
///         let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         let name = (realm.map(str::to_owned), login.canonical().to_owned());
///         if tables.users.contains_key(user.id()) || tables.names.contains_key(&name) {
///             return Ok(false);
///         }
///         tables.names.insert(name, user.id().to_owned());
///         // Columns: id(), password_hash(), status(), credential_version().
///         tables.users.insert(user.id().to_owned(), user.clone());
///         Ok(true)
///     }
/// }
/// # type Found = Result<Option<StoredUser>, BackendError>;
/// # #[async_trait]
/// # impl UserStore for Users {
/// #     async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Found {
/// #         let tables = self.0.lock().unwrap();
/// #         let name = (realm.map(str::to_owned), login.canonical().to_owned());
/// #         Ok(tables.names.get(&name).and_then(|id| tables.users.get(id)).cloned())
/// #     }
/// #     async fn find_by_id(&self, user_id: &str, _realm: Option<&str>) -> Found {
/// #         Ok(self.0.lock().unwrap().users.get(user_id).cloned())
/// #     }
/// #     async fn save_hash(&self, id: &str, old: &str, new: &str) -> Result<bool, BackendError> {
/// #         let mut tables = self.0.lock().unwrap();
/// #         let user = tables.users.get_mut(id).filter(|user| user.password_hash() == Some(old));
/// #         Ok(user.map(|user| *user = user.clone().with_password_hash(new.to_owned())).is_some())
/// #     }
/// # }
/// # #[cfg(feature = "testing")]
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
/// #     use tower_password_grant::testing::contract;
/// #     contract::user_insert(async |users: [(String, StoredUser); 2]| {
/// #         let store = Users::default();
/// #         for (name, user) in &users {
/// #             assert!(store.insert_user(user, &LoginName::new(name), None).await.unwrap());
/// #         }
/// #         contract::two_handles(store)
/// #     })
/// #     .await;
/// # });
/// ```
///
/// # Contract
/// - `insert_user` adds the user with its id, hash, status and credential version, under this login name in this realm, whole or not
///   at all: one transaction. If there is a user with this id, or one who is found by this name in this realm, it changes nothing
///   and answers `false`. The database decides that by a unique index (`INSERT .. ON CONFLICT DO NOTHING`): to read first and
///   write then would add a user twice.
/// - Keep the name in the form that [`find`](UserStore::find) asks for. From then on `find` finds the user by it, and
///   [`find_by_id`](UserStore::find_by_id) by the id, both with the hash as it was given: see the contract of [`UserStore`] for the
///   length of its column.
/// - The user has a [credential version](StoredUser::credential_version) only if the other directory states one itself. A store that
///   has no column for it leaves it out: the logins that the user has already then end at their next refresh. A store that keeps
///   it must change or remove it with each new password, as in `UPDATE users SET hash = $2, credential_version = NULL WHERE
///   id = $1`: a version that stays keeps the logins of the old password alive.
///   `testing::contract::password_change` (feature `testing`) holds your change of a password to that.
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
