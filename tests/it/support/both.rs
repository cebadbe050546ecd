//! A store of both kinds of tokens, which saves an access token in the step of its refresh token.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::MaybeFuture;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens, MemoryRefreshTokens, NewFamily,
    RefreshTokenStore, Rotation, SecretDigest, StoreIdentity, StoredFamily, UnsavedAccessToken,
};

/// Which promise of its identity the store breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    TellsNoIdentity,
    TellsTwoIdentities,
    LosesTheRecordOfALogin,
    LosesTheRecord,
    LosesTheRecordOfARepeat,
    KeepsThatOfARefusedLogin,
    KeepsThatOfARefusedRotation,
    KeepsThatOfAnEndedFamily,
    KeepsItInASecondStep,
}

/// The store. Clones share what they keep. It notes what it was asked to write.
#[derive(Clone)]
pub struct Both {
    fault: Fault,
    identity: StoreIdentity,
    access: Arc<MemoryAccessTokens>,
    refresh: Arc<MemoryRefreshTokens>,
    writes: Arc<Mutex<Vec<&'static str>>>,
}

impl Both {
    pub fn new() -> Self {
        Self::with(Fault::None)
    }

    pub fn with(fault: Fault) -> Self {
        Self {
            fault,
            identity: StoreIdentity::new(),
            access: Arc::new(MemoryAccessTokens::new()),
            refresh: Arc::new(MemoryRefreshTokens::new()),
            writes: Arc::default(),
        }
    }

    fn note(&self, write: &'static str) {
        self.writes.lock().unwrap().push(write);
    }

    /// What was written since this was asked last.
    pub fn written(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.writes.lock().unwrap())
    }

    async fn save(&self, unsaved: Option<UnsavedAccessToken>, is_lost: bool) -> Result<(), BackendError> {
        let Some((digest, record)) = unsaved.map(|unsaved| unsaved.take()) else { return Ok(()) };
        if is_lost { Ok(()) } else { self.access.insert(digest, record).await }
    }

    /// Whether a rotation that was refused has its record kept.
    async fn is_kept_though_refused(&self, family: FamilyId) -> Result<bool, BackendError> {
        let is_ended = self.refresh.find(family).await?.is_some_and(|found| found.is_ended);
        Ok(match self.fault {
            Fault::KeepsThatOfARefusedRotation => true,
            Fault::KeepsThatOfAnEndedFamily => is_ended,
            _ => false,
        })
    }
}

#[async_trait]
impl RefreshTokenStore for Both {
    async fn begin(&self, mut new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.note(if new.access_token.is_some() { "begin with token" } else { "begin" });
        let unsaved = new.access_token.take();
        let begun = self.refresh.begin(new).await;
        if begun.is_ok() || self.fault == Fault::KeepsThatOfARefusedLogin {
            self.save(unsaved, self.fault == Fault::LosesTheRecordOfALogin).await?;
        }
        begun
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        self.refresh.find(family)
    }

    fn rotate(&self, mut rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            self.note(if rotation.access_token.is_some() { "rotate with token" } else { "rotate" });
            let (unsaved, family) = (rotation.access_token.take(), rotation.family);
            let is_lost = match rotation.lineage {
                Some(_) => self.fault == Fault::LosesTheRecord,
                None => self.fault == Fault::LosesTheRecordOfARepeat,
            };
            let is_done = self.refresh.rotate(rotation).await?;
            if self.fault == Fault::KeepsItInASecondStep {
                yield_now().await;
            }
            if is_done || self.is_kept_though_refused(family).await? {
                self.save(unsaved, is_lost).await?;
            }
            Ok(is_done)
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.refresh.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.refresh.revoke_subject(realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        (self.fault != Fault::TellsNoIdentity).then(|| self.identity.clone())
    }
}

#[async_trait]
impl AccessTokenStore for Both {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.note("insert");
        self.access.insert(digest, record).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.access.find(digest).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        self.access.revoke(digest).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        self.access.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.access.revoke_subject(realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        match self.fault {
            Fault::TellsNoIdentity => None,
            Fault::TellsTwoIdentities => Some(StoreIdentity::new()),
            _ => Some(self.identity.clone()),
        }
    }
}
