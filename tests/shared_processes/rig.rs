//! A store behind a proxy, beside one that sees the engine as it is.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;
use tower_password_grant::BackendError;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter as _, Guess, Reservation, Reserved, Settlement, StoredLimiter,
};
use tower_password_grant::store::{AccessTokenStore, FamilyId, SecretDigest};
use tower_password_grant::testing::{TokenState, token_state};
use tower_password_grant::user::AccountKey;

use super::endpoint::{Answer, Endpoint, key};
use super::engine::{Engine, Options, Store};
use super::proxy::{Fault, Proxy};
use super::steps::Trap;

const DEADLINE: Duration = Duration::from_millis(1_500);
/// When nobody waits any more.
const TOO_LATE: Duration = Duration::from_millis(2_000);
/// For a machine that has other work, too.
const SLACK: Duration = Duration::from_secs(3);

pub const FAULTS: [Fault; 7] = [
    Fault::Drop,
    Fault::DropAnswer,
    Fault::Cut,
    Fault::Slow(Duration::from_millis(40)),
    Fault::Late(TOO_LATE),
    Fault::Held(TOO_LATE),
    Fault::Silent,
];

pub struct Rig<S> {
    /// Behind the proxy.
    pub bad: S,
    pub good: S,
    pub endpoints: [Endpoint; 2],
    limiters: [StoredLimiter<S>; 2],
    proxy: Proxy,
    /// What goes wrong, after so many calls of the operation.
    pub fault: Fault,
    pub before: usize,
    has_struck: AtomicBool,
}

/// A number that nothing else has.
pub fn new_number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(1 << 57);
    NUMBERS.fetch_add(1, Ordering::SeqCst)
}

impl<S: Store> Rig<S> {
    pub async fn new(engine: &Engine, good: &S) -> Self {
        let proxy = Proxy::start(engine.port()).await;
        let options = Options { deadline: DEADLINE, is_checked: true };
        let (bad, good) = (S::open(&engine.url_through(proxy.port), options).await, good.clone());
        let both = [bad.clone(), good.clone()];
        Self {
            endpoints: both.clone().map(|store| Endpoint::new(store, Trap::default(), None)),
            limiters: both.map(|store| StoredLimiter::new(store, &key())),
            bad,
            good,
            proxy,
            fault: Fault::Drop,
            before: 0,
            has_struck: AtomicBool::new(false),
        }
    }

    /// Whether there was such a call since this was asked last.
    pub fn has_struck(&self) -> bool {
        self.has_struck.swap(false, Ordering::SeqCst)
    }

    /// Does something during which a call goes wrong, and waits until nothing of it is under way. It takes so many deadlines at most.
    async fn during<T>(&self, deadlines: u32, made: impl Future<Output = T>) -> (T, bool) {
        let began = Instant::now();
        self.proxy.arm(self.fault, self.before);
        let answer = made.await;
        let took = began.elapsed();
        assert!(took < DEADLINE * deadlines + SLACK, "{:?} {}: {took:?}", self.fault, self.before);
        let has_struck = self.proxy.heal();
        if has_struck && matches!(self.fault, Fault::Late(_) | Fault::Held(_)) {
            sleep((TOO_LATE + Duration::from_millis(100)).saturating_sub(took)).await;
        }
        self.has_struck.store(has_struck, Ordering::SeqCst);
        // Over healthy connections all goes on soon.
        let healed = Instant::now();
        while let Err(error) = AccessTokenStore::find(&self.bad, &SecretDigest::of("none")).await {
            assert!(healed.elapsed() < Duration::from_secs(5), "{:?} {}: {error:?}", self.fault, self.before);
            sleep(Duration::from_millis(5)).await;
        }
        // On a machine that has much other work the time may be too short for anything.
        let is_harmless = took < DEADLINE / 3 && (!has_struck || matches!(self.fault, Fault::Slow(_)));
        (answer, is_harmless)
    }

    /// The answer of an operation. `None`: the engine was not there in time.
    pub async fn strike<T>(&self, deadlines: u32, made: impl Future<Output = Result<T, BackendError>>) -> Option<T> {
        let (answer, is_harmless) = self.during(deadlines, made).await;
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                assert_eq!(error.kind(), Unavailable, "{:?} {}: {error:?}", self.fault, self.before);
                assert!(!is_harmless, "{:?} {}: {error:?}", self.fault, self.before);
                None
            }
        }
    }

    /// The body of a 200. `None`: it was 503.
    pub async fn ask(&self, request: impl Future<Output = Answer>) -> Option<Value> {
        let ((status, body), is_harmless) = self.during(6, request).await;
        let refused = status == 503 && !is_harmless;
        assert!(status == 200 || refused, "{:?} {}: {status} {body}", self.fault, self.before);
        (status == 200).then_some(body)
    }

    pub async fn state(&self, family: FamilyId, token: &SecretDigest) -> Option<TokenState> {
        token_state(&self.good, family, token).await.unwrap().map(|(state, _)| state)
    }

    pub async fn has_access(&self, token: &SecretDigest) -> bool {
        AccessTokenStore::find(&self.good, token).await.unwrap().is_some()
    }

    /// The limiter over the store behind the proxy.
    pub const fn limiter(&self) -> &StoredLimiter<S> {
        &self.limiters[0]
    }

    /// Charges a guess, over the store that is well.
    pub async fn charge(&self, user: &AccountKey<'_>, from: Ipv4Addr, times: usize) {
        for _ in 0..times {
            let reservation = reserve(&self.limiters[1], user, from).await.unwrap().expect("there is room");
            self.limiters[1].settle(reservation, Settlement::Denied).await.unwrap();
        }
    }

    /// How many guesses more there are.
    pub async fn room(&self, user: &AccountKey<'_>, from: Ipv4Addr) -> usize {
        let mut room = 0;
        while let Some(reservation) = reserve(&self.limiters[1], user, from).await.unwrap() {
            self.limiters[1].settle(reservation, Settlement::Denied).await.unwrap();
            room += 1;
        }
        room
    }
}

/// A guess that is charged; `None` if it is refused.
pub async fn reserve<S: Store>(
    limiter: &StoredLimiter<S>,
    user: &AccountKey<'_>,
    from: Ipv4Addr,
) -> Result<Option<Reservation>, BackendError> {
    let key = AttemptKey::new(Guess::Account { realm: None, account: user }, Some(from.into()));
    Ok(match limiter.reserve(&key).await? {
        Reserved::Charged(reservation) => Some(reservation),
        _ => None,
    })
}
