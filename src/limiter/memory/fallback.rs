//! A small budget of this process while the limiter that all share is away.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::boundary::backend::{BackendError, BackendErrorKind};
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::SharedClock;
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, BegunLock, Checked, Reservation, Reserved, Settlement};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::setting::SettingError;
use crate::boundary::sync::{Mutex, MutexGuard, held};
use crate::limiter::memory::limiter::MemoryLimiter;
use crate::limiter::step::limits::Limits;
use crate::observe::telemetry;

/// The most reservations of this process that are remembered.
const MOST: usize = 65_536;

/// Counts by a limiter that several processes share, and by a tenth of its budgets in the memory of this process while that one is
/// away. **Without it logins fail while the shared limiter is away, which is the safe choice and the default.**
///
/// With it, what an attacker gains by an outage is bounded: a tenth of each budget (one attempt at least) in each process, for each
/// account, client and address, beside what the shared limiter has counted, which this process does not know meanwhile. Locks of the shared
/// limiter do not hold, either: an account that is locked there can be guessed at here, a tenth as often. So count your processes: ten of them allow as
/// much together as the shared limiter does, and more allow more.
///
/// A call of the shared limiter that answers [`Unavailable`](BackendErrorKind::Unavailable) is made once more here. Give the store
/// under it a deadline of at most a quarter of the [endpoint's](crate::mount::RequestLimits::store_deadline), since a call may wait for
/// another one, or the request ends before that. What was reserved here is settled here. Nothing is carried over when the shared limiter is back.
///
/// The first attempt that is counted here after the shared limiter answered, and the end with the number of attempts that were let in,
/// are events, and `oauth_limiter_fallback_total` counts the attempts by what became of them (feature `metrics`).
///
/// ```
/// use tower_password_grant::limiter::{
///     AttackProtection, AttemptRecords, FallbackLimiter, Limits, SharedKey, StoredLimiter,
/// };
///
/// fn protection<R: AttemptRecords>(records: R, key: &SharedKey) -> AttackProtection {
///     let limits = Limits::new();
///     let shared = StoredLimiter::new(records, key).with_limits(limits);
///     AttackProtection::new()
///         .limiter(FallbackLimiter::new(shared, limits))
///         .shared_key(key.clone())
/// }
/// ```
pub struct FallbackLimiter<L> {
    shared: L,
    local: MemoryLimiter,
    /// Attempts that were let in since the shared limiter went away, and one.
    away: AtomicU64,
    own: Mutex<Own>,
}

/// The reservations that were made here, the oldest first.
#[derive(Default)]
struct Own {
    keys: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl<L> FallbackLimiter<L> {
    /// Falls back from `shared` to a tenth of these limits: give those of the shared limiter.
    #[must_use]
    pub fn new(shared: L, limits: Limits) -> Self {
        let local = MemoryLimiter::new().with_limits(limits.tenth());
        Self { shared, local, away: AtomicU64::new(0), own: Mutex::default() }
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        held(self.own.lock())
    }

    /// Whether this error of the shared limiter says that it is away.
    fn is_away(&self, error: &BackendError) -> bool {
        let is_away = error.kind() == BackendErrorKind::Unavailable;
        if is_away && self.away.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            telemetry::limiter_away(error);
        }
        is_away
    }

    /// The shared limiter has answered.
    fn is_back(&self) {
        // Mostly it was there.
        if self.away.load(Ordering::Relaxed) != 0 {
            let attempts = self.away.swap(0, Ordering::SeqCst);
            if attempts > 0 {
                telemetry::limiter_back(attempts.saturating_sub(1));
            }
        }
    }

    fn let_in(&self, was_let_in: bool) {
        telemetry::count_fallback(was_let_in);
        if was_let_in {
            let more = |attempts: u64| (attempts > 0).then(|| attempts.saturating_add(1));
            let _ = self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        }
    }
}

impl Own {
    fn add(&mut self, key: [u8; 32]) {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        if self.keys.insert(key) {
            self.order.push_back(key);
        }
    }
}

impl<L: AttemptLimiter> FallbackLimiter<L> {
    async fn reserve(&self, key: &AttemptKey<'_>) -> Result<Reserved, BackendError> {
        match self.shared.reserve(key).await {
            Err(error) if self.is_away(&error) => {}
            answer => {
                if answer.is_ok() {
                    self.is_back();
                }
                return answer;
            }
        }
        let reserved = self.local.reserve(key).await?;
        if let Reserved::Charged(reservation) = &reserved {
            self.own().add(*reservation.key());
        }
        self.let_in(matches!(reserved, Reserved::Charged(_)));
        Ok(reserved)
    }

    async fn check(&self, key: &AttemptKey<'_>, check: SecretCheck<'_>) -> Result<Checked, BackendError> {
        let [first, second] = check.twice();
        match self.shared.check(key, first).await {
            Err(error) if self.is_away(&error) => {}
            answer => {
                if answer.is_ok() {
                    self.is_back();
                }
                return answer;
            }
        }
        let checked = self.local.check(key, second).await?;
        self.let_in(matches!(checked, Checked::Decided(_)));
        Ok(checked)
    }

    async fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> Result<Option<BegunLock>, BackendError> {
        if self.own().keys.contains(reservation.key()) {
            return self.local.settle(reservation, settlement).await;
        }
        self.shared.settle(reservation, settlement).await
    }
}

impl<L: AttemptLimiter> AttemptLimiter for FallbackLimiter<L> {
    fn has_shared_key(&self) -> Option<bool> {
        self.shared.has_shared_key()
    }

    fn validate(&self) -> Result<(), SettingError> {
        self.shared.validate()?;
        self.local.validate()
    }

    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(self.reserve(key))
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(self.settle(reservation, settlement))
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        MaybeFuture::new(self.check(key, check))
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.local.follow_clock(clock) & self.shared.follow_clock(clock)
    }
}

impl<L> fmt::Debug for FallbackLimiter<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLimiter").field("local", &self.local).finish_non_exhaustive()
    }
}
