//! A user table that lives in this process. In an application this is the database.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use tower_password_grant::argon2::Argon2Parameters;
use tower_password_grant::store::{LoginName, StoredUser, UserStore};
use tower_password_grant::{BackendError, Password};

use super::Error;

/// The password hashes, by login name.
pub(crate) struct Users {
    hashes: RwLock<HashMap<String, String>>,
}

impl Users {
    /// Users of these names, all with this password.
    pub(crate) fn with_password<const N: usize>(names: [&str; N], password: &str) -> Result<Self, Error> {
        Self::with_passwords(names.map(|name| (name, password)))
    }

    /// Users with these names and passwords.
    pub(crate) fn with_passwords<const N: usize>(users: [(&str, &str); N]) -> Result<Self, Error> {
        let mut hashes = HashMap::new();
        for (name, password) in users {
            let hash = Argon2Parameters::default().hash_blocking(&Password::new(password.to_owned()))?;
            hashes.insert(name.to_owned(), hash);
        }
        Ok(Self { hashes: RwLock::new(hashes) })
    }
}

#[async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let login = login.canonical();
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        let hash = hashes.get(login).cloned();
        Ok(hash.map(|hash| StoredUser::new(format!("user:{login}")).with_password_hash(hash)))
    }

    async fn find_by_id(&self, user_id: &str, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        match user_id.strip_prefix("user:") {
            Some(login) => self.find(&LoginName::new(login), realm).await,
            None => Ok(None),
        }
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let mut hashes = self.hashes.write().unwrap_or_else(PoisonError::into_inner);
        let hash = user_id.strip_prefix("user:").and_then(|login| hashes.get_mut(login));
        Ok(match hash {
            Some(hash) if hash == old_hash => {
                *hash = new_hash.to_owned();
                true
            }
            _ => false,
        })
    }
}
