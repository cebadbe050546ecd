//! Taking users of another directory.

use async_trait::async_trait;

use super::verifier::{Argon2Verifier, is_same};
use crate::boundary::backend::BackendError;
use crate::boundary::users::import::{ImportedUser, UserImport};
use crate::boundary::users::insert::UserInsert;
use crate::boundary::users::login_name::LoginName;
use crate::boundary::users::stored_user::StoredUser;
use crate::protocol::user::subject::Subject;

const NAMELESS: &str = "nobody logs in by a name without a visible character";
const NARROWED: &str = "the other directory narrows the scope of this user, which a store of users does not keep";
const DAMAGED: &str = "the store cut or changed a password hash: its column must hold 255 characters; nobody is imported until the restart";

#[async_trait]
impl<S: UserInsert> UserImport for Argon2Verifier<S> {
    /// Hashes the password as for a sign-up, in the place that the login has in the queue of all hashes, and has the store insert the
    /// user. Fails for one whose scope is narrowed, because a [`StoredUser`] has none.
    async fn import(&self, user: ImportedUser) -> Result<Option<Subject>, BackendError> {
        let login = LoginName::new(user.username()).into_owned();
        let realm = user.realm().map(str::to_owned);
        if login.is_empty() {
            return Err(BackendError::fault(NAMELESS));
        }
        if user.scope().is_some() {
            return Err(BackendError::fault(NARROWED));
        }
        if self.upgrades.are_stopped() {
            return Err(BackendError::fault(DAMAGED));
        }
        let subject = user.subject().clone();
        let sender = self.sender(self.origin(user.attempt()), user.realm(), None);
        let hash = self.make(user.into_password(), sender).await?;
        let mut new = StoredUser::new(subject.id().to_owned()).with_password_hash(hash.clone());
        if let Some(version) = subject.credential_version() {
            new = new.with_credential_version(version);
        }
        if !self.patience.of(self.store.insert_user(&new, &login, realm.as_deref())).await? {
            return Ok(None);
        }
        // The store knows which version of the credentials counts. A user who was changed meanwhile is not this import's.
        let found = self.find(&login, realm.as_deref()).await?.filter(|found| found.id() == new.id());
        let kept = found.as_ref().and_then(StoredUser::password_hash);
        if kept.is_some_and(|kept| self.upgrades.stop_if_damaged(&hash, kept)) {
            return Err(BackendError::fault(DAMAGED));
        }
        let is_unchanged = is_same(kept, Some(&hash));
        Ok(found.filter(|found| is_unchanged && found.status().denial().is_none()).map(StoredUser::into_subject))
    }
}
