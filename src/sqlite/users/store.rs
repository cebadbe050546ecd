use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Params, Row, params};

use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::users::insert::UserInsert;
use crate::boundary::users::login_name::LoginName;
use crate::boundary::users::new_user::NewUser;
use crate::boundary::users::store::UserStore;
use crate::boundary::users::stored_user::{StoredUser, UserStatus};
use crate::protocol::realm::{directory, subjects_of};
use crate::sqlite::access::revoke_some_of;
use crate::sqlite::columns::get;
use crate::sqlite::db::Db;
use crate::sqlite::factors;
use crate::sqlite::failure::Failure;
use crate::sqlite::refresh::end_families_of;
use crate::sqlite::store::SqliteStore;

const ADD: &str = "INSERT INTO users (id, realm, password_hash, status, code, description, credential_version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
const HAS_NAME: &str = "SELECT 1 FROM user_names WHERE directory = ?1 AND name = ?2";
pub(super) const ADD_NAME: &str = "INSERT INTO user_names (directory, name, user) VALUES (?1, ?2, ?3)";
const SET_HASH: &str = "UPDATE users SET password_hash = ?2, credential_version = credential_version + 1
    WHERE id = ?1 RETURNING realm";
const END_LOGINS: &str = "UPDATE users SET credential_version = credential_version + 1 WHERE id = ?1 RETURNING realm";
const SET_STATUS: &str = "UPDATE users SET status = ?2, code = ?3, description = ?4 WHERE id = ?1";
const REMOVE: &str = "DELETE FROM users WHERE id = ?1 RETURNING realm";
const FIND: &str = "SELECT u.id, u.password_hash, u.status, u.code, u.description, u.credential_version
    FROM user_names n JOIN users u ON u.id = n.user WHERE n.directory = ?1 AND n.name = ?2";
const FIND_BY_ID: &str = "SELECT id, password_hash, status, code, description, credential_version
    FROM users WHERE id = ?1 AND realm IS ?2";
const SAVE_HASH: &str = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";

pub(super) const STATEMENTS: [&str; 10] =
    [ADD, HAS_NAME, ADD_NAME, SET_HASH, END_LOGINS, SET_STATUS, REMOVE, FIND, FIND_BY_ID, SAVE_HASH];

pub(super) fn read_status(row: &Row<'_>) -> Result<UserStatus, Failure> {
    let (name, code, description): (String, _, _) = (get(row, 2)?, get(row, 3)?, get(row, 4)?);
    UserStatus::from_columns(&name, code, description).ok_or(Failure::Row("the status of a user"))
}

fn read_user(row: &Row<'_>) -> Result<StoredUser, Failure> {
    let version: i64 = get(row, 5)?;
    Ok(StoredUser::new(get::<String>(row, 0)?)
        .with_password_hash(get::<Option<String>>(row, 1)?)
        .with_status(read_status(row)?)
        .with_credential_version(version.to_string()))
}

fn add(db: &Db, user: &NewUser, names: &BTreeSet<String>) -> Result<bool, Failure> {
    let directory = directory(user.realm.as_deref());
    for name in names {
        if db.row(HAS_NAME, [&directory, name], |_| Ok(()))?.is_some() {
            return Ok(false);
        }
    }
    let (status, code, description) = user.status.to_columns();
    let (realm, hash, version) = (&user.realm, &user.password_hash, user.credential_version);
    if db.execute(ADD, params![user.id, realm, hash, status, code, description, version])? == 0 {
        return Ok(false);
    }
    for name in names {
        db.execute(ADD_NAME, [&directory, name, &user.id])?;
    }
    Ok(true)
}

pub(super) fn realm(row: &Row<'_>) -> Result<Option<String>, Failure> {
    get(row, 0)
}

/// A change of what is kept of a subject in a realm.
type Also = fn(&Db, Option<&str>, &str) -> Result<(), Failure>;

fn nothing(_: &Db, _: Option<&str>, _: &str) -> Result<(), Failure> {
    Ok(())
}

impl SqliteStore {
    /// Changes a user by a statement that answers the realm, and ends the logins of that user: the families, and the
    /// first access tokens, in the same step; `also` does what is to be done in it besides for each subject. Answers
    /// whether there was such a user.
    async fn change_and_end<V>(&self, sql: &'static str, id: &str, values: V, also: Also) -> Result<bool, BackendError>
    where
        V: Params + Send + 'static,
    {
        let (user, ended) = (id.to_owned(), self.now());
        let change = move |db: &Db| {
            let Some(realm) = db.row(sql, values, realm)? else { return Ok(None) };
            let subjects = subjects_of(realm.as_deref(), user);
            for subject in &subjects {
                end_families_of(db, realm.as_deref(), subject, ended)?;
                revoke_some_of(db, realm.as_deref(), subject)?;
                also(db, realm.as_deref(), subject)?;
            }
            Ok(Some((realm, subjects)))
        };
        let Some((realm, subjects)) = self.write(change).await? else { return Ok(false) };
        for subject in &subjects {
            AccessTokenStore::revoke_subject(self, realm.as_deref(), subject).await?;
        }
        Ok(true)
    }
}

/// The users. What is changed here holds from the next request on.
impl SqliteStore {
    /// Adds a user with all names, and answers whether there was room for them: `false`, and nothing is changed, if the
    /// id or one of the names in this realm is another user's.
    ///
    /// # Errors
    /// As any operation; also for a name of white space and invisible characters only.
    pub async fn add_user(&self, user: NewUser) -> Result<bool, OperationError> {
        let names = user.names()?.clone();
        Ok(self.write(move |db| add(db, &user, &names)).await?)
    }

    /// Sets another password, or none, and [ends all logins](Self::end_logins) so far. Answers whether there is such a
    /// user.
    ///
    /// # Errors
    /// As any operation.
    pub async fn set_password_hash(&self, user_id: &str, hash: Option<&str>) -> Result<bool, OperationError> {
        let values = (user_id.to_owned(), hash.map(str::to_owned));
        Ok(self.change_and_end(SET_HASH, user_id, values, nothing).await?)
    }

    /// Ends every login of the user so far: ends the refresh token families and removes the opaque access tokens of
    /// this subject in the user's realm, and raises the version of the credentials. So a login that is under way is
    /// refused before its tokens are sent, where the endpoint's verifier is over this store. Answers whether there is
    /// such a user.
    ///
    /// `user_id` is the identifier in this store. The subjects of tokens may have the realm in front of it, as those of
    /// [`Realms`](crate::realms::Realms) have: their logins end, too.
    ///
    /// # Errors
    /// As any operation.
    pub async fn end_logins(&self, user_id: &str) -> Result<bool, OperationError> {
        Ok(self.change_and_end(END_LOGINS, user_id, [user_id.to_owned()], nothing).await?)
    }

    /// Sets whether the user may log in, and refresh. Answers whether there is such a user.
    ///
    /// # Errors
    /// As any operation.
    pub async fn set_user_status(&self, user_id: &str, status: UserStatus) -> Result<bool, OperationError> {
        let id = user_id.to_owned();
        let set = move |db: &Db| {
            let (status, code, description) = status.to_columns();
            Ok(db.execute(SET_STATUS, params![id, status, code, description])? > 0)
        };
        Ok(self.write(set).await?)
    }

    /// Removes a user with all names and authenticators, ends the refresh token families of this subject in the user's
    /// realm, and removes its opaque access tokens. Answers whether there was such a user. Never give the id to anyone else.
    ///
    /// # Errors
    /// As any operation.
    pub async fn remove_user(&self, user_id: &str) -> Result<bool, OperationError> {
        Ok(self.change_and_end(REMOVE, user_id, [user_id.to_owned()], factors::remove_all_of).await?)
    }
}

#[async_trait]
impl UserStore for SqliteStore {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let (directory, login) = (directory(realm), login.canonical().to_owned());
        self.look_up(move |db| db.row(FIND, [directory, login], read_user)).await
    }

    async fn find_by_id(&self, user_id: &str, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let (id, realm) = (user_id.to_owned(), realm.map(str::to_owned));
        self.look_up(move |db| db.row(FIND_BY_ID, params![id, realm], read_user)).await
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let values = [user_id, old_hash, new_hash].map(str::to_owned);
        self.write(move |db| Ok(db.execute(SAVE_HASH, values)? > 0)).await
    }
}

#[async_trait]
impl UserInsert for SqliteStore {
    /// As [`add_user`](Self::add_user) adds one. The versions of credentials are counted here, so one that is no number of 32 bits
    /// begins anew.
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<bool, BackendError> {
        Ok(self.add_user(NewUser::moved(user, login, realm)).await?)
    }
}
