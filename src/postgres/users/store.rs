//! The table of users, as a verifier asks it, and what its operator does with it.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::users::insert::UserInsert;
use crate::boundary::users::login_name::LoginName;
use crate::boundary::users::new_user::NewUser;
use crate::boundary::users::store::UserStore;
use crate::boundary::users::stored_user::{StoredUser, UserStatus};
use crate::postgres::cells::Cells;
use crate::postgres::connection::PostgresValue::{self, BigInt, Text, TextList};
use crate::postgres::failure::Failure;
use crate::postgres::store::{PostgresStore, finds_room};
use crate::protocol::realm::{directory, subjects_of};

/// Texts as a list of values.
fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<Option<&'a str>> {
    texts.into_iter().map(|text| Some(text.as_str())).collect()
}

/// The names of a user, as a list of values.
///
/// # Errors
/// Fails for one that finds no room behind its directory.
pub(super) fn names<'a>(directory: &str, names: &'a BTreeSet<String>) -> Result<PostgresValue<'a>, BackendError> {
    let fits = names.iter().try_for_each(|name| finds_room(&[directory, name]));
    fits.map(|()| TextList(texts(names))).map_err(Failure::into_backend)
}

/// The next three cells.
pub(super) fn read_status(cells: &mut Cells) -> Result<UserStatus, Failure> {
    let (name, code, description) = (cells.text()?, cells.text_or_none()?, cells.text_or_none()?);
    UserStatus::from_columns(&name, code, description).ok_or(Failure::Row("the status of a user"))
}

fn read_user(mut cells: Cells) -> Result<StoredUser, Failure> {
    let (id, hash, status) = (cells.text()?, cells.text_or_none()?, read_status(&mut cells)?);
    let version = cells.number()?.to_string();
    Ok(StoredUser::new(id).with_password_hash(hash).with_status(status).with_credential_version(version))
}

impl PostgresStore {
    /// The realm of a user, if there is such a user.
    pub(super) async fn realm_of_user(&self, id: &str) -> Result<Option<Option<String>>, Failure> {
        let found = self.row_or_none(&self.statements().realm_of_user, &[Text(Some(id))]).await?;
        found.map(|mut cells| cells.text_or_none()).transpose()
    }

    /// Changes a user by a statement that ends the logins of that user, too, the first thousand in the same step, and then the others.
    /// Answers whether there was such a user.
    async fn change_and_end(
        &self,
        statement: &str,
        id: &str,
        more: &[PostgresValue<'_>],
    ) -> Result<bool, BackendError> {
        let Some(realm) = self.realm_of_user(id).await.map_err(Failure::into_backend)? else { return Ok(false) };
        let (realm, subjects) = (realm.as_deref(), subjects_of(realm.as_deref(), id.to_owned()));
        let values = [&[Text(Some(id)), Text(realm), TextList(texts(&subjects))], more].concat();
        let answer = self.row_or_none(statement, &values).await;
        if answer.map_err(Failure::into_backend)?.is_none() {
            return Ok(false);
        }
        // A login that was kept while this was being committed was not there to be ended, and saw the user as before. It is there now,
        // and so is what is beyond the first thousand.
        for subject in &subjects {
            self.log_out(realm, subject).await?;
        }
        Ok(true)
    }

    async fn find_user(
        &self,
        statement: &str,
        values: &[PostgresValue<'_>],
    ) -> Result<Option<StoredUser>, BackendError> {
        let found = self.row_or_none(statement, values).await;
        found.and_then(|found| found.map(read_user).transpose()).map_err(Failure::into_backend)
    }
}

/// The users. What is changed here holds from the next request on, at every server.
impl PostgresStore {
    /// Adds a user with all names, and answers whether there was room for them: `false`, and nothing is changed, if the
    /// id or one of the names in this realm is another user's.
    ///
    /// # Errors
    /// As any operation; also for a name of white space and invisible characters only.
    pub async fn add_user(&self, user: NewUser) -> Result<bool, OperationError> {
        let (realm, directory) = (user.realm.as_deref(), directory(user.realm.as_deref()));
        let (status, code, description) = user.status.to_columns();
        finds_room(&[&user.id]).map_err(Failure::into_backend)?;
        let values = [
            Text(Some(&user.id)),
            Text(realm),
            Text(user.password_hash.as_deref()),
            Text(Some(status)),
            Text(code),
            Text(description),
            BigInt(Some(user.credential_version.into())),
            Text(Some(&directory)),
            names(&directory, user.names()?)?,
        ];
        let answer = self.row(&self.statements().add_user, &values).await;
        Ok(answer.and_then(|mut cells| cells.bool()).map_err(Failure::into_backend)?)
    }

    /// Sets another password, or none, and [ends all logins](Self::end_logins) so far that are kept in this store. Answers whether there
    /// is such a user.
    ///
    /// # Errors
    /// As any operation.
    pub async fn set_password_hash(&self, user_id: &str, hash: Option<&str>) -> Result<bool, OperationError> {
        Ok(self.change_and_end(&self.statements().set_password_hash, user_id, &[Text(hash)]).await?)
    }

    /// Ends every login of the user so far that is kept in this store: ends the refresh token families and removes the opaque access tokens of
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
        Ok(self.change_and_end(&self.statements().end_logins, user_id, &[]).await?)
    }

    /// Sets whether the user may log in, and refresh. Answers whether there is such a user.
    ///
    /// # Errors
    /// As any operation.
    pub async fn set_user_status(&self, user_id: &str, status: UserStatus) -> Result<bool, OperationError> {
        let (status, code, description) = status.to_columns();
        let values = [Text(Some(user_id)), Text(Some(status)), Text(code), Text(description)];
        Ok(self.is_done(&self.statements().set_user_status, &values).await?)
    }

    /// Removes a user with all names and authenticators, ends the refresh token families of this subject in the user's
    /// realm, and removes its opaque access tokens. Answers whether there was such a user. Never give the id to anyone else.
    ///
    /// # Errors
    /// As any operation.
    pub async fn remove_user(&self, user_id: &str) -> Result<bool, OperationError> {
        Ok(self.change_and_end(&self.statements().remove_user, user_id, &[]).await?)
    }
}

#[async_trait]
impl UserStore for PostgresStore {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let directory = directory(realm);
        let values = [Text(Some(&directory)), Text(Some(login.canonical()))];
        self.find_user(&self.statements().find_user, &values).await
    }

    async fn find_by_id(&self, user_id: &str, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        self.find_user(&self.statements().find_user_by_id, &[Text(Some(user_id)), Text(realm)]).await
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let values = [Text(Some(user_id)), Text(Some(old_hash)), Text(Some(new_hash))];
        self.is_done(&self.statements().save_hash, &values).await
    }
}

#[async_trait]
impl UserInsert for PostgresStore {
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
