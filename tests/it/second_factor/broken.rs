//! An endpoint whose ways to a second factor can be made to fail, and a log of what is charged and how it is settled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::clock::SharedClock;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Guess, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::mfa::{Channel, CodeDelivery, Delivery, DeliveryStatus, FactorUser, Factors};
use tower_password_grant::mount::{Metadata, RequestLimits};
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore, MemoryAccessTokens, MemoryFactors,
    MemoryRefreshTokens, OneTimeValues, Removed, SecretDigest,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::SecretKeys;
use tower_password_grant::{BackendError, MaybeFuture, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients};

use super::bypass::Counting;
use crate::support::ManualClock;
use crate::support::factors::{self, FactorBed, ISSUER, Outbox, People};
use crate::support::faults::Switch;
use crate::support::protection::counted_by;

/// A method of one of the traits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    List,
    Enrol,
    Confirm,
    Remove,
    SpendStep,
    Swap,
    Look,
    Consume,
    Deliver,
    Status,
    EnrolmentUri,
}

impl Call {
    /// In their order.
    pub const ALL: [Self; 11] = [
        Self::List,
        Self::Enrol,
        Self::Confirm,
        Self::Remove,
        Self::SpendStep,
        Self::Swap,
        Self::Look,
        Self::Consume,
        Self::Deliver,
        Self::Status,
        Self::EnrolmentUri,
    ];
}

/// The parts of the application that second factors need, with a switch for each method.
#[derive(Clone)]
pub struct Parts {
    store: Arc<MemoryFactors>,
    outbox: Outbox,
    switches: Arc<[Switch; 11]>,
}

impl Parts {
    pub fn switch(&self, call: Call) -> &Switch {
        &self.switches[call as usize]
    }

    async fn pass(&self, call: Call) -> Result<(), BackendError> {
        self.switch(call).pass().await
    }

    /// How many of their futures are alive.
    pub fn alive(&self) -> i64 {
        self.switches.iter().map(Switch::alive).sum()
    }
}

#[async_trait]
impl FactorStore for Parts {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        self.pass(Call::List).await?;
        self.store.list(user, now).await
    }

    async fn enrol(&self, user: FactorUser<'_>, new: Enrolment, now: SystemTime) -> Result<Enrolled, BackendError> {
        self.pass(Call::Enrol).await?;
        self.store.enrol(user, new, now).await
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        self.pass(Call::Confirm).await?;
        self.store.confirm(user, id, if_no_factor, now).await
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        self.pass(Call::Remove).await?;
        self.store.remove(user, id, if_no_factor).await
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        self.store.remove_all(user).await
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        self.pass(Call::SpendStep).await?;
        self.store.spend_step(user, id, step).await
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        self.pass(Call::Swap).await?;
        self.store.swap_recovery_code(user, old, new).await
    }
}

#[async_trait]
impl OneTimeValues for Parts {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        self.pass(Call::Consume).await?;
        self.store.consume(value, expires).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        self.pass(Call::Look).await?;
        self.store.is_spent(value).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.store.follow_clock(clock)
    }
}

#[async_trait]
impl CodeDelivery for Parts {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        self.pass(Call::Deliver).await?;
        self.outbox.deliver(delivery).await
    }

    async fn status(&self, id: &str) -> Result<DeliveryStatus, BackendError> {
        self.pass(Call::Status).await?;
        self.outbox.status(id).await
    }

    async fn enrolment_uri(&self, user: FactorUser<'_>, contact: &str) -> Result<Option<String>, BackendError> {
        self.pass(Call::EnrolmentUri).await?;
        self.outbox.enrolment_uri(user, contact).await
    }
}

/// The limiter in memory, behind a log: `factor charged`, `factor Success`.
#[derive(Clone)]
struct Logged {
    limiter: Arc<MemoryLimiter>,
    kinds: Arc<Mutex<HashMap<[u8; 32], &'static str>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl AttemptLimiter for Logged {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async move {
            let reserved = self.limiter.reserve(key).await?;
            if let Reserved::Charged(reservation) = &reserved {
                let kind = kind(&key.guess);
                self.lines.lock().unwrap().push(format!("{kind} charged"));
                self.kinds.lock().unwrap().insert(*reservation.key(), kind);
            }
            Ok(reserved)
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        let kind = self.kinds.lock().unwrap()[reservation.key()];
        self.lines.lock().unwrap().push(format!("{kind} {settlement:?}"));
        self.limiter.settle(reservation, settlement)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.limiter.follow_clock(clock)
    }
}

fn kind(guess: &Guess<'_>) -> &'static str {
    match guess {
        Guess::Account { .. } => "account",
        Guess::Factor { .. } => "factor",
        Guess::RecoveryCode { .. } => "recovery code",
        Guess::Delivery { .. } => "delivery",
        _ => "address",
    }
}

/// The bed over parts that can fail.
pub struct Broken {
    pub bed: FactorBed,
    pub parts: Parts,
    /// What was charged, and how it was settled.
    pub charges: Arc<Mutex<Vec<String>>>,
    issued: Arc<AtomicUsize>,
}

impl Broken {
    /// Each method is pending so many times before it works.
    pub fn waiting(waits: usize) -> Self {
        let (people, outbox, clock) = (People::default(), Outbox::default(), ManualClock::new());
        let store = Arc::new(MemoryFactors::new());
        let switches = Arc::new(std::array::from_fn(|_| Switch::waiting(waits)));
        let parts = Parts { store: Arc::clone(&store), outbox: outbox.clone(), switches };
        let charges: Arc<Mutex<Vec<String>>> = Arc::default();
        let limiter = Arc::new(MemoryLimiter::new());
        let logged = Logged { limiter, kinds: Arc::default(), lines: Arc::clone(&charges) };
        let factors = Factors::new(parts.clone(), SecretKeys::random().unwrap()).totp("Example Bank").recovery_codes(2);
        let factors = Channel::ALL.into_iter().fold(factors, |all, channel| all.deliver(channel, parts.clone()));
        let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let counting = Counting::new(access.clone());
        let issued = counting.count();
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(factors::clients()).unwrap())
            .verifier(people.clone())
            .issuer(counting)
            .access_tokens(access)
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .metadata(Metadata::new(ISSUER))
            .second_factor(factors)
            .attack_protection(counted_by(logged))
            .request_limits(RequestLimits::new().store_deadline(Some(Duration::from_millis(50))))
            .clock(clock.clone())
            .peer_address(PeerAddress::socket_addr())
            .build()
            .unwrap();
        let bed = FactorBed { layer, people, outbox, store, clock, events: Arc::default() };
        Self { bed, parts, charges, issued }
    }

    /// How many access tokens were issued.
    pub fn issued(&self) -> usize {
        self.issued.load(SeqCst)
    }
}
