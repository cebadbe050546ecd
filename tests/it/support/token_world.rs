//! An endpoint with refresh tokens all of whose stores can be made to fail or to wait, before or after they did their work.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens, MemoryRefreshTokens, NewFamily,
    RefreshTokenStore, Rotation, SecretDigest, StoredFamily,
};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, CredentialVerifier, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients, Verdict,
};

use crate::support::ManualClock;
use crate::support::faults::Switch;
use crate::support::protection::without_ceiling;
use crate::support::tokens::{Tokens, Users, clients};

/// A step that fails or waits, either instead of its work or after it.
#[derive(Clone)]
pub struct Step {
    pub switch: Switch,
    pub after: Arc<AtomicBool>,
}

impl Step {
    fn new(waits: usize) -> Self {
        Self { switch: Switch::waiting(waits), after: Arc::default() }
    }

    /// The work either happens whole or not at all, whenever the future is dropped.
    async fn run<T>(&self, work: impl Future<Output = Result<T, BackendError>>) -> Result<T, BackendError> {
        if self.after.load(SeqCst) {
            let done = work.await?;
            self.switch.pass().await?;
            return Ok(done);
        }
        self.switch.pass().await?;
        work.await
    }
}

pub struct Refresh {
    inner: MemoryRefreshTokens,
    steps: Arc<Steps>,
}

#[async_trait]
impl RefreshTokenStore for Refresh {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.steps.begin.run(self.inner.begin(new)).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { self.steps.find.run(async { self.inner.find(family).await }).await })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move { self.steps.rotate.run(async { self.inner.rotate(rotation).await }).await })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.steps.end_family.run(self.inner.revoke_family(family)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.inner.revoke_subject(realm, subject).await
    }
}

pub struct Access {
    inner: MemoryAccessTokens,
    steps: Arc<Steps>,
}

#[async_trait]
impl AccessTokenStore for Access {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.steps.insert.run(self.inner.insert(digest, record)).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.steps.find_access.run(self.inner.find(digest)).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        self.steps.revoke_access.run(self.inner.revoke(digest)).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        self.steps.end_access.run(self.inner.revoke_family(family)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.inner.revoke_subject(realm, subject).await
    }
}

/// Users whose state is asked after by a step.
pub struct Rechecked {
    users: Users,
    steps: Arc<Steps>,
}

#[async_trait]
impl CredentialVerifier for Rechecked {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.users.verify(attempt).await
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.steps.recheck.run(self.users.recheck(login)).await
    }
}

pub struct Steps {
    pub begin: Step,
    pub find: Step,
    pub rotate: Step,
    pub end_family: Step,
    pub insert: Step,
    pub find_access: Step,
    pub revoke_access: Step,
    pub end_access: Step,
    pub recheck: Step,
}

impl Steps {
    fn new(waits: usize) -> Self {
        let step = || Step::new(waits);
        Self {
            begin: step(),
            find: step(),
            rotate: step(),
            end_family: step(),
            insert: step(),
            find_access: step(),
            revoke_access: step(),
            end_access: step(),
            recheck: step(),
        }
    }

    /// With their names.
    pub fn all(&self) -> [(&'static str, &Step); 9] {
        [
            ("begin", &self.begin),
            ("find", &self.find),
            ("rotate", &self.rotate),
            ("end_family", &self.end_family),
            ("insert", &self.insert),
            ("find_access", &self.find_access),
            ("revoke_access", &self.revoke_access),
            ("end_access", &self.end_access),
            ("recheck", &self.recheck),
        ]
    }

    pub fn named(&self, wanted: &str) -> &Step {
        self.all().into_iter().find(|(name, _)| *name == wanted).unwrap().1
    }

    /// How many futures of the steps are alive.
    pub fn alive(&self) -> i64 {
        self.all().iter().map(|(_, step)| step.switch.alive()).sum()
    }
}

/// The fixture of the token tests over such stores.
pub struct TokenWorld {
    pub tokens: Tokens,
    pub steps: Arc<Steps>,
}

impl TokenWorld {
    pub fn new() -> Self {
        Self::with(0, Some(Duration::from_millis(50)), false)
    }

    /// Every step is pending `waits` times.
    pub fn with(waits: usize, deadline: Option<Duration>, ends_family: bool) -> Self {
        let (steps, clock) = (Arc::new(Steps::new(waits)), ManualClock::new());
        let inner = MemoryAccessTokens::new().with_clock(clock.clone());
        let access = Arc::new(Access { inner, steps: Arc::clone(&steps) });
        let refresh: Arc<dyn RefreshTokenStore> =
            Arc::new(Refresh { inner: MemoryRefreshTokens::new(), steps: Arc::clone(&steps) });
        let mut tokens = Tokens::over(clock, access, Arc::clone(&refresh), clients(), |builder| builder);
        // The verifier is another type, so the builder is made anew.
        let reasons = Arc::<Mutex<Vec<Reason>>>::default();
        let seen = Arc::clone(&reasons);
        let revocation = RevocationEndpoint::at("/oauth/revoke");
        let revocation = if ends_family { revocation.end_family_with_access_token() } else { revocation };
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(clients()).unwrap())
            .verifier(Rechecked { users: tokens.users.clone(), steps: Arc::clone(&steps) })
            .issuer(Arc::clone(&tokens.access))
            .refresh_tokens(RefreshTokens::in_store(refresh))
            .access_tokens(Arc::clone(&tokens.access))
            .revocation(revocation)
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .attack_protection(without_ceiling())
            .request_limits(RequestLimits::new().deadline(deadline))
            .clock(tokens.clock.clone())
            .audit(move |event: &AuditEvent<'_>| {
                if let AuditOutcome::Refused { reason, .. } = event.outcome {
                    seen.lock().unwrap().push(reason);
                }
            })
            .peer_address(PeerAddress::socket_addr());
        let layer: PasswordGrantLayer = builder.build().unwrap();
        (tokens.layer, tokens.reasons) = (layer, reasons);
        Self { tokens, steps }
    }
}
