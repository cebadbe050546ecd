//! Stores of users, right ones and some that break one promise each.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::store::{LoginName, StoredUser, UserInsert, UserStore};
use tower_password_grant::testing::contract::{self, two_handles};

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    AsksForTheTypedName,
    FindsNobody,
    FindsByPattern,
    CutsHashes,
    FindsByNameAsById,
    LosesTheVersion,
    SavesNothing,
    IgnoresTheOldHash,
    SavesForAll,
    ReadsAndThenWrites,
    InsertsNothing,
    InsertsUnderATakenName,
    InsertsUnderATakenId,
    OverwritesAUser,
    LooksAndThenInserts,
    KeepsTheVersionOfAHash,
    KeepsTheVersionWithANewPassword,
}

const FAULTS: [(Fault, &str); 11] = [
    (Fault::None, ""),
    (Fault::AsksForTheTypedName, ""),
    (Fault::FindsNobody, "`find` finds every user by the login name"),
    (Fault::FindsByPattern, "`find` finds nobody by a name that nobody has"),
    (Fault::CutsHashes, "`find` gives the hash as it was stored, all of it"),
    (Fault::FindsByNameAsById, "`find_by_id` finds nobody by a login name"),
    (Fault::LosesTheVersion, "`find` and `find_by_id` give the same credential version"),
    (Fault::SavesNothing, "`find` gives the hash as it was stored, all of it"),
    (Fault::IgnoresTheOldHash, "`save_hash` is false if the user has another hash"),
    (Fault::SavesForAll, "`find` gives the hash as it was stored, all of it"),
    (Fault::ReadsAndThenWrites, "of parallel calls of `save_hash` with one old hash exactly one is true"),
];

const INSERT_FAULTS: [(Fault, &str); 7] = [
    (Fault::None, ""),
    (Fault::InsertsNothing, "`find` finds every user by the login name"),
    (Fault::InsertsUnderATakenName, "`insert_user` is false if the id or the name is another user's"),
    (Fault::InsertsUnderATakenId, "`insert_user` is false if the id or the name is another user's"),
    (Fault::OverwritesAUser, "`insert_user` is false if the id or the name is another user's"),
    (Fault::LooksAndThenInserts, "of parallel calls of `insert_user` for one user exactly one is true"),
    (Fault::KeepsTheVersionOfAHash, "a credential version that follows the hash is another one with another hash"),
];

const CHANGE_FAULTS: [(Fault, &str); 3] = [
    (Fault::None, ""),
    (Fault::KeepsTheVersionOfAHash, "each new password changes the credential version"),
    (Fault::KeepsTheVersionWithANewPassword, "each new password changes the credential version"),
];

struct Row {
    id: String,
    name: String,
    hash: String,
    version: Option<String>,
}

/// The version that is kept beside the hash.
fn version(fault: Fault, user: &StoredUser) -> Option<String> {
    if fault == Fault::KeepsTheVersionOfAHash {
        return user.clone().into_subject().credential_version().map(str::to_owned);
    }
    user.credential_version().map(str::to_owned)
}

struct Users {
    fault: Fault,
    rows: Mutex<Vec<Row>>,
}

impl Users {
    fn new(fault: Fault, users: [(String, StoredUser); 2]) -> Self {
        let row = |(name, user): (String, StoredUser)| {
            let hash = user.password_hash().unwrap();
            let hash = if fault == Fault::CutsHashes { &hash[..100] } else { hash };
            Row { id: user.id().to_owned(), name, hash: hash.to_owned(), version: version(fault, &user) }
        };
        Self { fault, rows: Mutex::new(users.map(row).into()) }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap()
    }

    fn user(&self, is_asked_for: impl Fn(&Row) -> bool) -> Option<StoredUser> {
        let rows = self.rows();
        let row = rows.iter().find(|row| is_asked_for(row))?;
        let user = StoredUser::new(row.id.clone()).with_password_hash(row.hash.clone());
        Some(match &row.version {
            Some(version) => user.with_credential_version(version.as_str()),
            None => user,
        })
    }

    /// A new password, and no word of it to the old logins.
    fn set_password(&self, id: &str, hash: &str) {
        let mut rows = self.rows();
        let row = rows.iter_mut().find(|row| row.id == id).unwrap();
        hash.clone_into(&mut row.hash);
        if self.fault == Fault::None {
            row.version = None;
        }
    }

    fn has_hash(&self, id: &str, hash: &str) -> bool {
        self.rows().iter().any(|row| row.id == id && (row.hash == hash || self.fault == Fault::IgnoresTheOldHash))
    }
}

#[async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let name = if self.fault == Fault::AsksForTheTypedName { login.as_typed() } else { login.canonical() };
        Ok(self.user(|row| match self.fault {
            Fault::FindsNobody => false,
            Fault::FindsByPattern => {
                name.strip_suffix('%').is_some_and(|start| row.name.starts_with(start)) || row.name == name
            }
            _ => row.name == name,
        }))
    }

    async fn find_by_id(&self, user_id: &str, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let by_name = self.fault == Fault::FindsByNameAsById;
        let found = self.user(|row| row.id == user_id || by_name && row.name == user_id);
        let is_lost = self.fault == Fault::LosesTheVersion;
        Ok(found.map(|user| if is_lost { user.with_credential_version("7") } else { user }))
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        if self.fault == Fault::ReadsAndThenWrites {
            let has_hash = self.has_hash(user_id, old_hash);
            yield_now().await;
            if !has_hash {
                return Ok(false);
            }
        } else if !self.has_hash(user_id, old_hash) {
            return Ok(false);
        }
        let mut rows = self.rows();
        let is_changed = |row: &&mut Row| match self.fault {
            Fault::SavesNothing => false,
            Fault::SavesForAll => true,
            Fault::ReadsAndThenWrites | Fault::IgnoresTheOldHash => row.id == user_id,
            _ => row.id == user_id && row.hash == old_hash,
        };
        let changed = rows.iter_mut().filter(is_changed).map(|row| new_hash.clone_into(&mut row.hash)).count();
        Ok(changed > 0 || self.fault == Fault::SavesNothing)
    }
}

#[async_trait]
impl UserInsert for Users {
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        _: Option<&str>,
    ) -> Result<bool, BackendError> {
        let (id, name, hash) = (user.id().to_owned(), login.canonical().to_owned(), user.password_hash().unwrap());
        let row = Row { id, name, hash: hash.to_owned(), version: version(self.fault, user) };
        let is_taken = |other: &Row| {
            let by_name = other.name == row.name && self.fault != Fault::InsertsUnderATakenName;
            by_name || other.id == row.id && self.fault != Fault::InsertsUnderATakenId
        };
        if self.fault == Fault::LooksAndThenInserts {
            let is_free = !self.rows().iter().any(is_taken);
            yield_now().await;
            if is_free {
                self.rows().push(row);
            }
            return Ok(is_free);
        }
        let mut rows = self.rows();
        match rows.iter_mut().find(|other| is_taken(other)) {
            Some(other) => {
                if self.fault == Fault::OverwritesAUser {
                    *other = row;
                }
                return Ok(false);
            }
            None if self.fault == Fault::InsertsNothing => {}
            None => rows.push(row),
        }
        Ok(true)
    }
}

#[test]
fn each_promise_that_a_store_of_users_breaks_when_it_takes_new_ones_is_named() {
    for (fault, promise) in INSERT_FAULTS {
        let told = complaint(contract::user_insert(async |users| two_handles(Users::new(fault, users))));
        assert_eq!(told.is_empty(), promise.is_empty(), "{fault:?}: {told}");
        assert!(told.contains(promise), "{fault:?}: {told}");
    }
}

#[test]
fn a_new_password_that_keeps_the_old_credential_version_is_named() {
    for (fault, promise) in CHANGE_FAULTS {
        let make = async |users| two_handles(Users::new(fault, users));
        let change = async |users: &Arc<Users>, id: &str, hash: &str| users.set_password(id, hash);
        let told = complaint(contract::password_change(make, change));
        assert_eq!(told.is_empty(), promise.is_empty(), "{fault:?}: {told}");
        assert!(told.contains(promise), "{fault:?}: {told}");
    }
}

#[test]
fn each_promise_that_a_store_of_users_breaks_is_named() {
    for (fault, promise) in FAULTS {
        let told = complaint(contract::user_store(async |users| two_handles(Users::new(fault, users))));
        assert_eq!(told.is_empty(), promise.is_empty(), "{fault:?}: {told}");
        assert!(told.contains(promise), "{fault:?}: {told}");
    }
}
