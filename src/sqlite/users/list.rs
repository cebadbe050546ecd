//! What an operator sees of the users, and how their names are changed.

use std::collections::BTreeSet;

use rusqlite::{Row, params};

use super::store::{ADD_NAME, read_status, realm};
use crate::boundary::backend::OperationError;
use crate::boundary::users::entry::UserEntry;
use crate::boundary::users::new_user::canonical_names;
use crate::protocol::realm::directory;
use crate::sqlite::columns::get;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;
use crate::sqlite::store::SqliteStore;

const LIST: &str = "SELECT id, realm, status, code, description, password_hash IS NOT NULL FROM users
    WHERE id > ?1 ORDER BY id LIMIT ?2";
const NAMES: &str = "SELECT name FROM user_names WHERE user = ?1 ORDER BY directory, name";
const REALM: &str = "SELECT realm FROM users WHERE id = ?1";
const IS_ANOTHERS: &str = "SELECT 1 FROM user_names WHERE directory = ?1 AND name = ?2 AND user <> ?3";
const DROP_NAMES: &str = "DELETE FROM user_names WHERE user = ?1";

pub(super) const STATEMENTS: [&str; 5] = [LIST, NAMES, REALM, IS_ANOTHERS, DROP_NAMES];

fn read_entry(row: &Row<'_>) -> Result<UserEntry, Failure> {
    Ok(UserEntry::new(get(row, 0)?, get(row, 1)?, read_status(row)?, get(row, 5)?))
}

fn set_names(db: &Db, id: &str, names: &BTreeSet<String>) -> Result<bool, Failure> {
    let Some(realm) = db.row(REALM, [id], realm)? else { return Ok(false) };
    let directory = directory(realm.as_deref());
    for name in names {
        if db.row(IS_ANOTHERS, params![directory, name, id], |_| Ok(()))?.is_some() {
            return Ok(false);
        }
    }
    db.execute(DROP_NAMES, [id])?;
    for name in names {
        db.execute(ADD_NAME, params![directory, name, id])?;
    }
    Ok(true)
}

/// For operators.
impl SqliteStore {
    /// Up to `most` users in the order of their ids that come after `after`; from the first on if it is empty.
    ///
    /// # Errors
    /// As any operation.
    pub async fn users(&self, after: &str, most: usize) -> Result<Vec<UserEntry>, OperationError> {
        let (after, most) = (after.to_owned(), i64::try_from(most).unwrap_or(i64::MAX));
        let list = move |db: &Db| {
            let mut users = db.rows(LIST, params![after, most], read_entry)?;
            for user in &mut users {
                let names: Vec<String> = db.rows(NAMES, [user.id()], |row| get(row, 0))?;
                user.add_names(names);
            }
            Ok(users)
        };
        Ok(self.read(list).await?)
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
        let (id, names) = (user_id.to_owned(), canonical_names(names)?);
        Ok(self.write(move |db| set_names(db, &id, &names)).await?)
    }
}
