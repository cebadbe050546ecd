//! The user store of the benchmarks that hash.

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::store::{LoginName, StoredUser, UserStore};

/// Everybody exists and has the same password: the look-up is not what is measured.
pub struct Everybody(pub String);

#[async_trait]
impl UserStore for Everybody {
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(Some(StoredUser::new(login.canonical().to_owned()).with_password_hash(self.0.clone())))
    }

    async fn save_hash(&self, _user: &str, _old: &str, _new: &str) -> Result<bool, BackendError> {
        Err(BackendError::fault("nothing is outdated here"))
    }
}
