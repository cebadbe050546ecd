//! A new password ends the logins of a user who was moved, in a table of the application's own, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::realms::Migrate;
use tower_password_grant::store::{LoginName, MemoryRefreshTokens, StoredUser, UserInsert, UserStore};

use super::world::{Account, House, Plain, roomy};
use crate::support::argon2_users::{cheap, hash_with};

const RIGHT: &str = "correct horse";

#[derive(Clone)]
struct Row {
    id: String,
    hash: String,
    version: Option<String>,
}

/// A table by login name, with a column for the version that a user was given.
#[derive(Clone, Default)]
struct Table(Arc<Mutex<HashMap<String, Row>>>);

impl Table {
    fn with(id: &str, name: &str, password: &str) -> Self {
        let table = Self::default();
        let row = Row { id: id.to_owned(), hash: hash_with(&cheap(), password), version: None };
        table.0.lock().unwrap().insert(name.to_owned(), row);
        table
    }

    fn row(&self, is_asked: impl Fn(&str, &Row) -> bool) -> Option<StoredUser> {
        let rows = self.0.lock().unwrap();
        let (_, row) = rows.iter().find(|(name, row)| is_asked(name, row))?;
        let user = StoredUser::new(row.id.clone()).with_password_hash(row.hash.clone());
        Some(match &row.version {
            Some(version) => user.with_credential_version(version.as_str()),
            None => user,
        })
    }

    fn version(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap()[name].version.clone()
    }

    /// `UPDATE users SET hash = ..`, and nothing else.
    fn set_hash(&self, name: &str, password: &str) {
        self.0.lock().unwrap().get_mut(name).unwrap().hash = hash_with(&cheap(), password);
    }

    fn verifier(&self) -> Argon2Verifier<Self> {
        Argon2Verifier::builder(self.clone()).parameters(cheap()).threads(1).build().unwrap()
    }
}

#[async_trait]
impl UserStore for Table {
    async fn find(&self, login: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(self.row(|name, _| name == login.canonical()))
    }

    async fn find_by_id(&self, id: &str, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(self.row(|_, row| row.id == id))
    }

    async fn save_hash(&self, id: &str, old: &str, new: &str) -> Result<bool, BackendError> {
        let mut rows = self.0.lock().unwrap();
        let Some(row) = rows.values_mut().find(|row| row.id == id && row.hash == old) else { return Ok(false) };
        new.clone_into(&mut row.hash);
        Ok(true)
    }
}

#[async_trait]
impl UserInsert for Table {
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        _: Option<&str>,
    ) -> Result<bool, BackendError> {
        let mut rows = self.0.lock().unwrap();
        let name = login.canonical().to_owned();
        if rows.contains_key(&name) || rows.values().any(|row| row.id == user.id()) {
            return Ok(false);
        }
        let (hash, version) = (user.password_hash().unwrap().to_owned(), user.credential_version().map(str::to_owned));
        rows.insert(name, Row { id: user.id().to_owned(), hash, version });
        Ok(true)
    }
}

#[tokio::test]
async fn a_new_hash_alone_ends_the_logins_of_a_user_who_was_moved_from_a_table_of_hashes() {
    let (old, new) = (Table::with("user-1", "alice", RIGHT), Table::default());
    let refresh = Arc::new(MemoryRefreshTokens::new());
    let before = House::with(old.verifier(), roomy(), Arc::clone(&refresh)).await;
    let house = House::with(Migrate::new(old.verifier(), new.verifier()), roomy(), refresh).await;
    let unmoved = before.refresh_token("alice", RIGHT).await;

    let moved = house.refresh_token("alice", RIGHT).await;
    assert_eq!(new.version("alice"), None, "the old store states none");
    house.refresh(&unmoved).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last(), "credentials_changed");
    house.refresh(&moved).await.assert_ok();

    let moved = house.refresh_token("alice", RIGHT).await;
    new.set_hash("alice", "another horse");
    house.refresh(&moved).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last(), "credentials_changed");
}

#[tokio::test]
async fn a_version_that_the_old_directory_states_moves_with_its_user_t62() {
    let mut account = Account::new("user-1", RIGHT);
    account.version = Some("of yesterday".to_owned());
    let (old, new) = (Plain::default().with("alice", account), Table::default());
    let refresh = Arc::new(MemoryRefreshTokens::new());
    let before = House::with(old.clone(), roomy(), Arc::clone(&refresh)).await;
    let house = House::with(Migrate::new(old, new.verifier()), roomy(), refresh).await;
    let unmoved = before.refresh_token("alice", RIGHT).await;
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_eq!(new.version("alice").as_deref(), Some("of yesterday"));
    house.refresh(&unmoved).await.assert_ok();
}
