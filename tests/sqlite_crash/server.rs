//! The server that is killed: SQLite under everything, and traps at which a refresh stands still.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, NewFamily, RefreshTokenStore, Rotation, SecretDigest, StoreIdentity,
    StoredFamily,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, Subject, Verdict,
};

use super::trap::{self, Trap, senders};

/// Where a refresh stands still for ever, to be killed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Step {
    BeforeFind = 1,
    AfterFind,
    Recheck,
    BeforeRotation,
    /// The write is on its way, and waits for another transaction.
    InRotation,
    /// It waits no more, and is killed while it is written.
    AtCommit,
    AfterRotation,
    BeforeAnswer,
}

pub const STEPS: [Step; 8] = [
    Step::BeforeFind,
    Step::AfterFind,
    Step::Recheck,
    Step::BeforeRotation,
    Step::InRotation,
    Step::AtCommit,
    Step::AfterRotation,
    Step::BeforeAnswer,
];

/// The store, with traps around each of its steps.
struct Trapped {
    store: SqliteStore,
    trap: Trap,
    /// Another connection, to keep the store's own transaction waiting.
    file: PathBuf,
}

#[async_trait]
impl RefreshTokenStore for Trapped {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        RefreshTokenStore::begin(&self.store, new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move {
            self.trap.pass(Step::BeforeFind as usize).await;
            let found = RefreshTokenStore::find(&self.store, family).await;
            self.trap.pass(Step::AfterFind as usize).await;
            found
        })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            self.trap.pass(Step::BeforeRotation as usize).await;
            if self.trap.is_set_at(Step::InRotation as usize) {
                let waiting = RefreshTokenStore::rotate(&self.store, rotation);
                return self.trap.hold_up(Step::InRotation as usize, &self.file, waiting).await;
            }
            if self.trap.is_set_at(Step::AtCommit as usize) {
                let store = self.store.clone();
                let writing = async move { RefreshTokenStore::rotate(&store, rotation).await };
                return self.trap.let_commit(&self.store, &self.file, writing).await;
            }
            let rotated = RefreshTokenStore::rotate(&self.store, rotation).await;
            self.trap.pass(Step::AfterRotation as usize).await;
            rotated
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        RefreshTokenStore::revoke_family(&self.store, family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        RefreshTokenStore::revoke_subject(&self.store, realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        RefreshTokenStore::identity(&self.store)
    }
}

#[async_trait]
impl AccessTokenStore for Trapped {
    async fn insert(&self, _: SecretDigest, _: AccessTokenRecord) -> Result<(), BackendError> {
        panic!("an access token came apart from its family")
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        AccessTokenStore::find(&self.store, digest).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        AccessTokenStore::revoke(&self.store, digest).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        AccessTokenStore::revoke_family(&self.store, family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        AccessTokenStore::revoke_subject(&self.store, realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        AccessTokenStore::identity(&self.store)
    }
}

/// Everybody's password is `right`.
struct Users(Trap);

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(if attempt.password().expose() == "right" {
            Subject::new(attempt.username().to_owned()).into()
        } else {
            Denial::WrongPassword.into()
        })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.0.pass(Step::Recheck as usize).await;
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

pub async fn serve(file: PathBuf) {
    let trap = Trap::default();
    let store = SqliteStore::open(&file).unwrap();
    let app = Client::public("app")
        .allow_password_grant()
        .allow_refresh_tokens()
        .scopes("read")
        .default_scope("read")
        .refresh_token_leeway(Duration::from_secs(60))
        .build()
        .unwrap();
    store.put_client(&app).await.unwrap();
    let trapped = Arc::new(Trapped { store: store.clone(), trap: trap.clone(), file });
    let tokens = Arc::new(OpaqueIssuer::new(Arc::clone(&trapped)));
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(Users(trap.clone()))
        .issuer(Arc::clone(&tokens))
        .access_tokens(tokens)
        .refresh_tokens(RefreshTokens::in_store(trapped))
        .attack_protection(AttackProtection::new().limiter(store.limiter()))
        .peer_address(senders())
        .build()
        .unwrap();
    trap::serve(layer, trap, Step::BeforeAnswer as usize).await;
}
