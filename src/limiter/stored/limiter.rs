//! The limiter over a store of records.

use std::fmt;
use std::sync::LazyLock;

use super::joint::JointRefusals;
use super::swapping::{Again, Failed, Swapped, Swapping};
use super::touched::{Touched, TouchedKeys, Tried};
use super::turns::{Queue, Turns};
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::SharedClock;
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, BegunLock, Checked, Reservation, Reserved, Settlement};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::records::AttemptRecords;
use crate::boundary::setting::SettingError;
use crate::limiter::first_tries::FirstTries;
use crate::limiter::locks::Locks;
use crate::limiter::step::digests::Digests;
use crate::limiter::step::facts::Facts;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::slots::{Slot, Slots};
use crate::limiter::step::ticket::Ticket;
use crate::limiter::step::transition::{Attempted, Compared};
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::shared_key::{KeyUse, SharedKey};

/// Counts attempts in a store of your own, [`AttemptRecords`], by the limits of [`MemoryLimiter`](crate::limiter::MemoryLimiter): all
/// processes that share the store count together, and a restart takes back nothing that the store keeps.
///
/// The store holds keyed digests and counts, no names and no addresses. The key is the [`SharedKey`] of all processes: under
/// another one they find none of the counts. Give the same key to
/// [`AttackProtection::shared_key`](crate::limiter::AttackProtection::shared_key), so that the same mistake counts once whichever
/// process it comes through.
///
/// An attempt takes a load and a swap to reserve it, and a load and a swap to settle it. A [`check`](AttemptLimiter::check)
/// takes a load and a swap, also if it was right and changes no count: a right secret is told no sooner than the charge of a wrong
/// one would be kept, so nobody who hangs up in between, and nobody while the store keeps nothing, has a guess for nothing. A
/// refused attempt takes a load, which those share that wait behind it with the same account and address. If another process was first, load and swap are repeated, 64 times at most; then the answer is 503
/// (`limiter_failed`, with the cause `another was first 64 times`) and nothing was charged. The same comes at every attempt from a
/// store whose `swap` answers `false` where it must not.
///
/// Within a process the attempts on one account come one after the other, and so do those from one address (of IPv6, from one
/// /48). At most 512 from one address are under way at a time; any more are answered 503 at once. So a crowd from one address
/// takes time from attempts from there, and from no others.
///
/// Time is that of the store. What a process does not know about a swap of its own, because the answer was lost, it finds out
/// from the record; where that does not tell, a reservation is answered 503 and may have charged, and what was to be taken back
/// stays charged. A record that a later version of this crate has written is not overwritten: attempts on it are 503 until this
/// process is updated, too.
///
/// The store is not bounded by the limiter: [`Limits::with_capacity`] is for limiters that keep their counts themselves.
/// A flood of names and addresses makes records of 85 bytes, beside their keys and stamps, until they are
/// [forgotten](crate::limiter::RecordChange::forgotten_at). Remove what is forgotten, and see that there is room: a full store answers 503.
/// How many records the calls of one failed attempt at a new name are about:
///
/// | From | New records | Reserve: loads, swaps | Settle: loads, swaps |
/// |---|---|---|---|
/// | an IPv4 address that has a record | 2 | 4, 3 | 4, 2 |
/// | a new IPv4 address | 3 | 4, 3 | 4, 2 |
/// | a new IPv6 /64 in a /48 that has a record | 5, or 6 if the /56 is new, too | 8, 7 | 8, 4 |
/// | a new IPv6 /48 | 7 | 8, 7 | 8, 4 |
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::limiter::{
///     AttemptRecords, Limits, SharedKey, StoredLimiter,
/// };
///
/// fn limiter<R: AttemptRecords>(records: R, key: &SharedKey) -> StoredLimiter<R> {
///     let limits = Limits::new().with_budget(5, Duration::from_secs(900));
///     StoredLimiter::new(records, key).with_limits(limits)
/// }
/// ```
pub struct StoredLimiter<S> {
    pub(super) swapping: Swapping<S>,
    pub(super) digests: Digests,
    /// Whose locks they are that began in this process.
    pub(super) locks: Locks,
    turns: Turns,
    joint: JointRefusals,
    first_tries: FirstTries<Option<Tried>>,
}

impl<S> StoredLimiter<S> {
    /// Counts in these records, with the default limits, under this key.
    #[must_use]
    pub fn new(records: S, key: &SharedKey) -> Self {
        Self {
            swapping: Swapping { records, limits: Limits::new() },
            digests: Digests::new(Keyed::new(Some(key), KeyUse::Attempts)),
            locks: Locks::default(),
            turns: Turns::default(),
            joint: JointRefusals::default(),
            first_tries: FirstTries::default(),
        }
    }

    /// Other limits. Default: [`Limits::new`]. Give all that count in one store the same.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.swapping.limits = limits;
        self
    }

    /// An attempt in the lines of those on the same records. Only what may be charged to an address waits for it: behind one on the allow-list
    /// there may be many.
    fn queue(&self, facts: &Facts) -> Result<Queue<'_>, BackendError> {
        self.turns.queue(facts.guess, (facts.has_address && !facts.is_exempt).then_some(facts.network))
    }
}

impl<S: AttemptRecords> StoredLimiter<S> {
    /// Runs an attempt on these records, and keeps whose locks began by it and whose bucket it emptied.
    async fn attempt<R, W>(
        &self,
        key: &AttemptKey<'_>,
        compare: impl Fn() -> Compared<R, W>,
    ) -> Result<Attempted<R, W>, BackendError> {
        let facts = Facts::new(key, &self.digests);
        let (queue, waiting) = (self.queue(&facts)?, self.joint.join(&facts));
        let _turn = match waiting.turn(queue.turn()).await {
            Ok(turn) => turn,
            Err(refusal) => return Ok(Attempted::Refused(refusal)),
        };
        let loading = waiting.loading();
        let step = |touched: &mut Touched<'_>| touched.attempt(&facts, &compare);
        let (attempted, begun) = self.swapping.run_new(&TouchedKeys::of(&facts), step).await?;
        self.locks.describe_all(key, &begun);
        if let Attempted::Refused(refusal) = &attempted {
            waiting.is_refused(loading, *refusal);
        }
        Ok(attempted)
    }

    async fn reserve(&self, key: &AttemptKey<'_>) -> Result<Reserved, BackendError> {
        Ok(self.attempt(key, || Compared::LATER).await?.into_reserved())
    }

    async fn check(&self, key: &AttemptKey<'_>, check: SecretCheck<'_>) -> Result<Checked, BackendError> {
        // Once, however often the records are looked at.
        let outcome = LazyLock::new(|| check.decide());
        Ok(self.attempt(key, || Compared::of(*outcome)).await?.into_checked())
    }

    async fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> Result<Option<BegunLock>, BackendError> {
        let is_resumed = reservation.is_resumed();
        if reservation.stays(settlement) {
            return Ok(None);
        }
        let Ok(earlier) = self.first_tries.first_of(&reservation).map(Option::flatten) else { return Ok(None) };
        let mut ticket = Ticket::from_bytes(reservation.key());
        let network = ticket.charged.has(Slot::Address).then_some(ticket.network);
        let queue = self.turns.queue_again(ticket.guess, network);
        let _turn = queue.turn().await;
        let step = |touched: &mut Touched<'_>| {
            let news = if is_resumed { touched.resume(&ticket) } else { touched.settle(&ticket, settlement) };
            // A lock that began later under the same key holds on.
            let none = ticket.locks.iter().filter(|slot| touched.lock(ticket.key(*slot)).is_none());
            (news, none.fold(Slots::NONE, Slots::with))
        };
        let keys = match is_resumed {
            true => TouchedKeys::of_resumed(&ticket),
            false => TouchedKeys::of_ticket(&ticket, settlement),
        };
        let settled = self.swapping.run(&keys, earlier, step).await;
        let (news, none) = match settled {
            Ok(Swapped::Now(settled)) => settled,
            Ok(Swapped::Earlier) => (None, ticket.locks),
            Err(Failed { error, again }) => {
                if let Again::Perhaps(tried) = again {
                    self.first_tries.keep(&reservation, tried);
                }
                return Err(error);
            }
        };
        ticket.locks = none;
        self.locks.settled(&self.swapping.limits.policy, &ticket, settlement);
        Ok(news)
    }
}

impl<S: AttemptRecords> AttemptLimiter for StoredLimiter<S> {
    fn has_shared_key(&self) -> Option<bool> {
        Some(true)
    }

    fn validate(&self) -> Result<(), SettingError> {
        self.swapping.limits.check()
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
        self.swapping.records.follow_clock(clock)
    }
}

impl<S> fmt::Debug for StoredLimiter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLimiter").field("limits", &self.swapping.limits).finish_non_exhaustive()
    }
}
