//! The limiter over a store of records.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use super::queue::{Again, Failed, Lane};
use super::swapping::{Swapped, Swapping};
use super::touched::{Touched, TouchedKeys, Tried};
use super::under_way::Networks;
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
use crate::limiter::step::key::GuessKind;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::slots::{Slot, Slots};
use crate::limiter::step::ticket::Ticket;
use crate::limiter::step::transition::{Attempted, Compared};
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::shared_key::{KeyUse, SharedKey};

/// How many attempts of one network may be under way. Any more are 503 before anything is compared, so that the answer says nothing of
/// a secret.
const MOST_OF_A_NETWORK: usize = 512;

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
/// refused attempt takes a load.
///
/// Within a process one call of the store is under way at a time, in a task of its own, for 5 seconds at most. What waits meanwhile goes
/// into the next load and the next swap together, 1,024 attempts and [as many records as the store takes](AttemptRecords::most_records) at
/// most: so a login costs a busy store a small part of a call, and of a commit. A request that is dropped takes nothing of the others
/// with it. If another process was first, load and swap are repeated, 64 times at most, after a random time (so it runs on a `tokio`
/// runtime with timers); what was not in that process's way has every second turn without the others meanwhile. Then the answer is 503
/// (`limiter_failed`, with the cause `another was first 64 times`) and nothing was charged. The same comes at every attempt from a
/// store whose `swap` answers `false` where it must not. A record that cannot be read fails the attempts that touch it, and no others.
///
/// The attempts on one account from one address come one after the other. If more waits than one call takes, each network (of IPv6, each
/// /48) has its first attempt before any has a second, and each account likewise, whichever crowd is larger: so a crowd from one address,
/// or on one account, takes time from attempts that share its address or its account, and hardly any from others. At most 512 from one
/// address are under way at a time, and 8,192 attempts wait; any more are answered 503 at once.
///
/// Time is that of the store. What a process does not know about a swap of its own, because the answer was lost, it finds out
/// from the record; where that does not tell, a reservation is answered 503 and may have charged, and what was to be taken back
/// stays charged. A record that a later version of this crate has written is not overwritten: attempts on it are 503 until this
/// process is updated, too.
///
/// The first swap of a process keeps a mark of its key and its limits beside the records. If it finds another one, it says so in a warning and
/// by the metric `oauth_limiter_settings_differ_total`.
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
    networks: Networks,
    first_tries: FirstTries<Option<Tried>>,
}

impl<S> StoredLimiter<S> {
    /// Counts in these records, with the default limits, under this key.
    #[must_use]
    pub fn new(records: S, key: &SharedKey) -> Self {
        Self {
            swapping: Swapping::new(records, key),
            digests: Digests::new(Keyed::new(Some(key), KeyUse::Attempts)),
            locks: Locks::default(),
            networks: Networks::default(),
            first_tries: FirstTries::default(),
        }
    }

    /// Other limits. Default: [`Limits::new`]. Give all that count in one store the same.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.swapping.limits = limits;
        self
    }
}

impl<S: AttemptRecords> StoredLimiter<S> {
    /// Runs an attempt on these records, and keeps whose locks began by it and whose bucket it emptied.
    async fn attempt<R: Send + 'static, W: Send + 'static>(
        &self,
        key: &AttemptKey<'_>,
        compare: impl Fn() -> Compared<R, W> + Send + 'static,
    ) -> Result<Attempted<R, W>, BackendError> {
        let facts = Facts::new(key, &self.digests);
        // Behind an address on the allow-list there may be many.
        let network = (facts.has_address && !facts.is_exempt).then_some(facts.network);
        let under_way = network.map(|network| self.networks.come(network));
        if under_way.as_ref().is_some_and(|under_way| under_way.others >= MOST_OF_A_NETWORK) {
            return Err(BackendError::overloaded(Duration::from_secs(1)));
        }
        let lane = Lane {
            guess: (facts.kind != GuessKind::Nobody).then_some(facts.guess),
            network: under_way.as_ref().map(|under_way| under_way.network),
        };
        let step = move |touched: &mut Touched<'_>| touched.attempt(&facts, &compare);
        let (attempted, begun) = self.swapping.run(lane, TouchedKeys::of(&facts), step).await?;
        self.locks.describe_all(key, &begun);
        Ok(attempted)
    }

    async fn reserve(&self, key: &AttemptKey<'_>) -> Result<Reserved, BackendError> {
        Ok(self.attempt(key, || Compared::LATER).await?.into_reserved())
    }

    async fn check(&self, key: &AttemptKey<'_>, check: SecretCheck<'_>) -> Result<Checked, BackendError> {
        // Once, however often the records are looked at.
        let check = check.into_owned();
        let outcome = LazyLock::new(move || check.decide());
        Ok(self.attempt(key, move || Compared::of(*outcome)).await?.into_checked())
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
        let under_way = network.map(|network| self.networks.come(network));
        let lane = Lane { guess: Some(ticket.guess), network: under_way.as_ref().map(|under_way| under_way.network) };
        let of = ticket;
        let step = move |touched: &mut Touched<'_>| {
            let news = if is_resumed { touched.resume(&of) } else { touched.settle(&of, settlement) };
            // A lock that began later under the same key holds on.
            let none = of.locks.iter().filter(|slot| touched.lock(of.key(*slot)).is_none());
            (news, none.fold(Slots::NONE, Slots::with))
        };
        let keys = match is_resumed {
            true => TouchedKeys::of_resumed(&ticket),
            false => TouchedKeys::of_ticket(&ticket, settlement),
        };
        let settled = self.swapping.go_on(lane, keys, earlier, step).await;
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
