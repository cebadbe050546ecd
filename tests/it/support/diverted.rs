//! A user store whose new users take a way of the test's own.

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{LoginName, StoredUser, UserInsert, UserStore};

/// A user who is to be added.
#[derive(Clone, Copy)]
pub struct Newcomer<'a> {
    pub user: &'a StoredUser,
    pub login: &'a LoginName<'a>,
    pub realm: Option<&'a str>,
}

impl Newcomer<'_> {
    /// Adds the user as the store does it.
    pub async fn enter(self, store: &SqliteStore) -> Result<bool, BackendError> {
        store.insert_user(self.user, self.login, self.realm).await
    }
}

/// The way into a store.
#[async_trait]
pub trait Entrance: Send + Sync + 'static {
    async fn take(&self, store: &SqliteStore, newcomer: Newcomer<'_>) -> Result<bool, BackendError>;
}

/// A store with such an entrance. Everything else is the store's own.
pub struct Diverted<E> {
    pub store: SqliteStore,
    pub entrance: E,
}

#[async_trait]
impl<E: Entrance> UserStore for Diverted<E> {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        UserStore::find(&self.store, login, realm).await
    }

    async fn find_by_id(&self, user_id: &str, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        self.store.find_by_id(user_id, realm).await
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        self.store.save_hash(user_id, old_hash, new_hash).await
    }
}

#[async_trait]
impl<E: Entrance> UserInsert for Diverted<E> {
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<bool, BackendError> {
        self.entrance.take(&self.store, Newcomer { user, login, realm }).await
    }
}
