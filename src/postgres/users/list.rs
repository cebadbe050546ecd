//! What an operator sees of the users, and how their names are changed.

use super::store::read_status;
use crate::boundary::backend::OperationError;
use crate::boundary::users::entry::UserEntry;
use crate::boundary::users::new_user::canonical_names;
use crate::postgres::cells::Cells;
use crate::postgres::connection::PostgresValue::{BigInt, Text};
use crate::postgres::failure::Failure;
use crate::postgres::store::PostgresStore;
use crate::protocol::realm::directory;

/// For operators.
impl PostgresStore {
    /// Up to `most` users in the order of their ids that come after `after`; from the first on if it is empty.
    ///
    /// # Errors
    /// As any operation.
    pub async fn users(&self, after: &str, most: usize) -> Result<Vec<UserEntry>, OperationError> {
        Ok(self.list_users(after, most).await.map_err(Failure::into_backend)?)
    }

    async fn list_users(&self, after: &str, most: usize) -> Result<Vec<UserEntry>, Failure> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = self.rows(&self.statements().users, &[Text(Some(after)), BigInt(Some(most))]).await?;
        let mut users: Vec<UserEntry> = Vec::new();
        for row in rows {
            let mut cells = Cells::of(row);
            let (id, realm, status) = (cells.text()?, cells.text_or_none()?, read_status(&mut cells)?);
            let (has_password, name) = (cells.bool()?, cells.text_or_none()?);
            // A user has a row for each name.
            match users.last_mut().filter(|last| last.id() == id) {
                Some(user) => user.add_names(name),
                None => {
                    let mut user = UserEntry::new(id, realm, status, has_password);
                    user.add_names(name);
                    users.push(user);
                }
            }
        }
        Ok(users)
    }

    /// Gives a user these login names and aliases in place of all names before. Answers whether there is such a user
    /// and there was room for all of them: `false`, and nothing is changed, if one is another user's in this realm.
    /// Logins go on.
    ///
    /// # Errors
    /// As any operation; also for no names, or for one of white space and invisible characters only.
    pub async fn set_user_names<'a>(
        &self,
        user_id: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<bool, OperationError> {
        let new_names = canonical_names(names)?;
        let Some(realm) = self.realm_of_user(user_id).await.map_err(Failure::into_backend)? else { return Ok(false) };
        let directory = directory(realm.as_deref());
        let new_names = super::store::names(&directory, &new_names)?;
        let values = [Text(Some(user_id)), Text(realm.as_deref()), Text(Some(&directory)), new_names];
        let answer = self.row(&self.statements().change_user_names, &values).await;
        Ok(answer.and_then(|mut cells| cells.bool()).map_err(Failure::into_backend)?)
    }
}
