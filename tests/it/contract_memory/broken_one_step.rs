//! Stores that keep both kinds of tokens and break what their identity promises: one step, or nothing.

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::testing::contract::{self, two_handles};
use tower_password_grant::{
    AccessTokenRecord, AccessTokenStore, BackendError, FamilyId, MaybeFuture, MemoryAccessTokens, MemoryRefreshTokens,
    NewFamily, RefreshTokenStore, Rotation, SecretDigest, StoreIdentity, StoredFamily, UnsavedRecord,
};

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
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

const FAULTS: &[(Fault, &str)] = &[
    (Fault::TellsNoIdentity, "a store of both kinds of tokens tells one `identity` as both"),
    (Fault::TellsTwoIdentities, "a store of both kinds of tokens tells one `identity` as both"),
    (Fault::LosesTheRecordOfALogin, "an access token that comes with a step is found as soon as the step is done"),
    (Fault::LosesTheRecord, "an access token that comes with a step is found as soon as the step is done"),
    (Fault::LosesTheRecordOfARepeat, "an access token that comes with a step is found as soon as the step is done"),
    (Fault::KeepsThatOfARefusedLogin, "an access token that comes with a step that is refused is not kept"),
    (Fault::KeepsThatOfARefusedRotation, "an access token that comes with a step that is refused is not kept"),
    (Fault::KeepsThatOfAnEndedFamily, "no access token is kept for a family that has ended"),
    (
        Fault::KeepsItInASecondStep,
        "a step whose future was dropped happened whole or not at all, with its access token",
    ),
];

struct Both {
    fault: Fault,
    identity: StoreIdentity,
    access: MemoryAccessTokens,
    refresh: MemoryRefreshTokens,
}

impl Both {
    fn new(fault: Fault) -> Self {
        let (access, refresh) = (MemoryAccessTokens::new(), MemoryRefreshTokens::new());
        Self { fault, identity: StoreIdentity::new(), access, refresh }
    }

    async fn save(&self, unsaved: Option<UnsavedRecord>, is_lost: bool) -> Result<(), BackendError> {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_keeps_both_in_one_step_keeps_the_contract() {
    contract::tokens_in_one_step(async || two_handles(Both::new(Fault::None))).await;
}

#[test]
fn each_broken_store_of_both_is_told_which_promise_it_breaks() {
    for (fault, promise) in FAULTS {
        let told = complaint(contract::tokens_in_one_step(async || two_handles(Both::new(*fault))));
        assert!(told.contains(promise), "{fault:?}: {told:?} and not {promise:?}");
    }
}
