//! A store at each of whose calls a request can be made to stand still, until its server or its engine is killed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tower_password_grant::clock::SharedClock;
use tower_password_grant::limiter::{AttemptRecords, LoadedRecords, RecordChange, RecordKey};
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, NewFamily, RefreshTokenStore, Rotation, SecretDigest, StoreIdentity,
    StoredFamily,
};
use tower_password_grant::{BackendError, MaybeFuture};

use super::engine::Store;

/// What a request does one after the other: a login reserves, verifies, begins and settles; a refresh finds, looks at the user again,
/// and rotates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    Load,
    Swap,
    Begin,
    Find,
    Rotate,
    /// Of the verifier.
    User,
    /// To the client.
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    Before,
    /// It is on its way.
    During,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub call: Call,
    pub moment: Moment,
    /// How many such calls go before it.
    pub nth: usize,
}

/// The step at which a request stands still: once, until it is let go.
#[derive(Clone, Default)]
pub struct Trap(Arc<Inner>);

#[derive(Default)]
struct Inner {
    step: Mutex<Option<Step>>,
    gone_on: Notify,
}

impl Trap {
    pub fn set(&self, step: Step) {
        *self.0.step.lock().unwrap() = Some(step);
    }

    pub fn let_go(&self) {
        self.0.gone_on.notify_one();
    }

    /// Whether this is the step that was set. It is none from then on.
    fn is_here(&self, call: Call, moment: Moment) -> bool {
        let mut set = self.0.step.lock().unwrap();
        let Some(step) = set.as_mut().filter(|step| step.call == call && step.moment == moment) else { return false };
        if step.nth > 0 {
            step.nth -= 1;
            return false;
        }
        *set = None;
        true
    }

    async fn stand(&self) {
        super::worker::tell("standing");
        self.0.gone_on.notified().await;
    }

    pub async fn pass(&self, call: Call, moment: Moment) {
        if self.is_here(call, moment) {
            self.stand().await;
        }
    }

    /// Makes a call, and stands still around it or while it is on its way.
    async fn around<T: Send + 'static>(&self, call: Call, made: impl Future<Output = T> + Send + 'static) -> T {
        self.pass(call, Moment::Before).await;
        let answer = if self.is_here(call, Moment::During) {
            let made = tokio::spawn(made);
            self.stand().await;
            made.await.unwrap()
        } else {
            made.await
        };
        self.pass(call, Moment::After).await;
        answer
    }
}

/// The store of a server.
#[derive(Clone)]
pub struct Stepped<S> {
    pub store: S,
    pub trap: Trap,
}

#[async_trait]
impl<S: Store> AttemptRecords for Stepped<S> {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        let (store, keys) = (self.store.clone(), keys.to_vec());
        self.trap.around(Call::Load, async move { store.load(&keys).await }).await
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let (store, changes) = (self.store.clone(), changes.to_vec());
        self.trap.around(Call::Swap, async move { store.swap(&changes).await }).await
    }

    fn most_records(&self) -> usize {
        self.store.most_records()
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        AttemptRecords::follow_clock(&self.store, clock)
    }
}

#[async_trait]
impl<S: Store> RefreshTokenStore for Stepped<S> {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        let store = self.store.clone();
        self.trap.around(Call::Begin, async move { store.begin(new).await }).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        let store = self.store.clone();
        let find = async move { RefreshTokenStore::find(&store, family).await };
        MaybeFuture::new(self.trap.around(Call::Find, find))
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        let store = self.store.clone();
        MaybeFuture::new(self.trap.around(Call::Rotate, async move { store.rotate(rotation).await }))
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
impl<S: Store> AccessTokenStore for Stepped<S> {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.store.insert(digest, record).await
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

/// So long after a request has come to stand still while a call is on its way.
pub fn moments(round: usize) -> Duration {
    Duration::from_micros(397 * (round as u64 % 9))
}
