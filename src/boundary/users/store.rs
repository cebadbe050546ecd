//! The user table, as far as a password needs it.

use std::sync::Arc;

use async_trait::async_trait;

use super::login_name::LoginName;
use super::stored_user::StoredUser;
use crate::boundary::backend::BackendError;
use crate::boundary::maybe::Answering;
use crate::boundary::provided::{Missing, Provided};

/// Finds users and keeps their password hashes. It decides nothing: passwords are compared by
/// `Argon2Verifier`. The suite `testing::contract::user_store` (feature `testing`) holds your own store to what a test can show of
/// its contract.
///
/// These are the methods to copy, over a map. `Arc<Users>` is a `UserStore`, too: the verifier and the sign-up share it.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
///
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::store::{LoginName, StoredUser, UserStore};
/// use tower_password_grant::user::AccountKey;
///
/// #[derive(Clone)]
/// struct User {
///     id: String,
///     hash: String,
/// }
///
/// /// Users by their canonical login names.
/// #[derive(Default)]
/// struct Users(Mutex<HashMap<String, User>>);
///
/// impl Users {
///     fn table(&self) -> MutexGuard<'_, HashMap<String, User>> {
///         self.0.lock().unwrap_or_else(PoisonError::into_inner)
///     }
///
///     /// Whether the name was free.
///     fn sign_up(&self, login: &str, user: User) -> bool {
///         let key = AccountKey::canonical(login).as_str().to_owned();
///         let mut table = self.table();
///         let is_free = !table.contains_key(&key);
///         if is_free {
///             table.insert(key, user);
///         }
///         is_free
///     }
/// }
///
/// fn stored(user: &User) -> StoredUser {
///     StoredUser::new(user.id.clone()).with_password_hash(user.hash.clone())
/// }
///
/// type Found = Result<Option<StoredUser>, BackendError>;
///
/// #[async_trait]
/// impl UserStore for Users {
///     async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Found {
///         Ok(self.table().get(login.canonical()).map(stored))
///     }
///
///     // For refresh tokens.
///     async fn find_by_id(&self, user_id: &str, _realm: Option<&str>) -> Found {
///         Ok(self.table().values().find(|user| user.id == user_id).map(stored))
///     }
///
///     async fn save_hash(
///         &self,
///         user_id: &str,
///         old_hash: &str,
///         new_hash: &str,
///     ) -> Result<bool, BackendError> {
///         let mut table = self.table();
///         let is_asked = |user: &&mut User| user.id == user_id && user.hash == old_hash;
///         let Some(user) = table.values_mut().find(is_asked) else { return Ok(false) };
///         user.hash = new_hash.to_owned();
///         Ok(true)
///     }
/// }
///
/// let users = Arc::new(Users::default());
/// // Argon2Verifier::new(Arc::clone(&users))?, and for the sign-up:
/// let alice = User { id: "user-1".to_owned(), hash: "$argon2id$..".to_owned() };
/// assert!(users.sign_up(" Alice", alice.clone()) && !users.sign_up("alice", alice));
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert!(users.save_hash("user-1", "$argon2id$..", "new").await.unwrap());
/// # assert!(!users.save_hash("user-1", "$argon2id$..", "newer").await.unwrap());
/// # let found = users.find_by_id("user-1", None).await.unwrap().unwrap();
/// # assert_eq!(found.password_hash(), Some("new"));
/// # });
/// ```
///
/// # Contract
/// - `find` looks up one of the two forms of a [`LoginName`]: [`canonical`](LoginName::canonical) in a column that holds names
///   in this form, made by [`AccountKey::canonical`](crate::user::AccountKey::canonical), or that ignores case;
///   [`as_typed`](LoginName::as_typed) in a column that is compared byte by byte. A column that ignores case must not be
///   asked for the typed form: two spellings of a name without an account would have two budgets, and those of a name with
///   one a single budget, which shows that the account exists.
/// - `find` answers the same user for all names of an account. It is called up to three times in a login: before the
///   attempt is charged, for the account on which it is counted (unless the builder's
///   `count_by_login_name` is on); before the password is compared;
///   and after a right password, so that a password or a state that was changed meanwhile is seen. `find_by_id`, if there is
///   one, is asked once more when the tokens are issued. Don't answer either from a cache that outlives a change, and read
///   from the primary database: a replica that lags behind may give the hash from before an upgrade, and the login looks as
///   if its password had been changed meanwhile. It is refused then, and its charge stays.
/// - A name without an account is counted in the form that `find` read: as it was typed if that is the only one, else in the
///   canonical form. So read no form for anything but the look-up. A store that wraps another and logs both forms changes how
///   such names are counted, and their locks would show which names exist.
/// - Ids are unique over all realms of one store, because `save_hash` is given no realm. Where they are not, make a store for each
///   realm.
/// - Login names and aliases are one name space. Refuse an account whose login name is another account's e-mail address
///   when it is created; otherwise the owner of such an account can lock the other out, or is found in its place.
/// - `save_hash` is one conditional statement that replaces `old_hash` only: `UPDATE .. WHERE id = $1 AND password_hash =
///   $2`. Reading first and writing then would bring a password back that was changed in between.
/// - The column of the hash holds 255 characters (`VARCHAR(255)`, `TEXT`): a hash of the default parameters has 97, and none has
///   more than 136. After an upgrade the verifier asks `find` what was kept. If the hash was cut off or changed,
///   `save_hash` puts the old one back, an event warns, and nothing is upgraded any more until the restart.
///
/// # Security
/// A user who is found by a wrong name is fatal; a user who is not found is a nuisance. The name comes from a request
/// whose user is not authenticated: bind it as a parameter, never into the text of a query. `find` should take the same
/// time for names that do not exist.
///
/// # Cancellation
/// The future is dropped when the client hangs up or the deadline passes. `save_hash`, and the look at what was kept, run
/// in a task of their own to their end, or to the deadline of a call.
///
/// # Errors
/// A [`BackendError`] of `find` answers 503 and gives the charge back; an unknown user is `Ok(None)`. One of `save_hash`
/// is counted (`HashingStats::failed_saves`), an event warns, and the login does not fail. Where your own code calls the
/// store and needs an error type, write `.map_err(BackendError::into_error)?`.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `UserStore`",
    note = "implement the trait with `#[async_trait]`; `Arc<T>` of a store is one too"
)]
pub trait UserStore: Send + Sync + 'static {
    /// Looks up the user with this login name in this realm (`None` for clients that list none).
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError>;

    /// Looks up the user with this [id](StoredUser::new), which the store gave before, for a client of this realm: asked at every
    /// refresh, and when a second factor was shown. Write it like the others: `async fn find_by_id(&self, user_id: &str, realm: Option<&str>) ->
    /// Result<Option<StoredUser>, BackendError>`. Default: a [fault](BackendError::fault), so that an endpoint with refresh
    /// tokens refuses every refresh, and one with second factors is not built.
    ///
    /// Called once when the endpoint is built, with an empty id and no realm, to find out whether it is the default; that
    /// future is not polled. So do all work within the future, as `#[async_trait]` does.
    fn find_by_id<'s, 'u, 'r, 'f>(
        &'s self,
        user_id: &'u str,
        realm: Option<&'r str>,
    ) -> Answering<'f, Option<StoredUser>>
    where
        's: 'f,
        'u: 'f,
        'r: 'f,
        Self: 'f,
    {
        let _ = (user_id, realm);
        Provided::<NoFindById, _>::answer()
    }

    /// Replaces the user's hash if it still is `old_hash`, and answers whether it was. A table that must stay as it is, such as
    /// the old one of a [`Migrate`](crate::realms::Migrate), answers `Ok(false)` to every call: the login goes on with the old hash.
    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError>;
}

/// What the default of [`UserStore::find_by_id`] says in telemetry.
pub(crate) struct NoFindById;

impl Missing for NoFindById {
    const TEXT: &'static str = "the user store has no `find_by_id`, which refresh tokens and second factors need";
}

impl<S: UserStore + ?Sized> UserStore for Arc<S> {
    fn find<'s, 'l, 'n, 'r, 'f>(
        &'s self,
        login: &'l LoginName<'n>,
        realm: Option<&'r str>,
    ) -> Answering<'f, Option<StoredUser>>
    where
        's: 'f,
        'l: 'f,
        'n: 'f,
        'r: 'f,
        Self: 'f,
    {
        (**self).find(login, realm)
    }

    fn find_by_id<'s, 'u, 'r, 'f>(
        &'s self,
        user_id: &'u str,
        realm: Option<&'r str>,
    ) -> Answering<'f, Option<StoredUser>>
    where
        's: 'f,
        'u: 'f,
        'r: 'f,
        Self: 'f,
    {
        (**self).find_by_id(user_id, realm)
    }

    fn save_hash<'s, 'u, 'o, 'n, 'f>(
        &'s self,
        user_id: &'u str,
        old_hash: &'o str,
        new_hash: &'n str,
    ) -> Answering<'f, bool>
    where
        's: 'f,
        'u: 'f,
        'o: 'f,
        'n: 'f,
        Self: 'f,
    {
        (**self).save_hash(user_id, old_hash, new_hash)
    }
}
