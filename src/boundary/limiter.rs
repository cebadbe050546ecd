//! Charge before verify: the budgets of attempts (RFC 6749 sections 2.3.1, 4.3.2 and 10.10).

use std::fmt;
use std::sync::Arc;

use super::backend::BackendError;
use super::check::{CheckOutcome, SecretCheck};
use super::clock::SharedClock;
pub use super::guess::{AttemptKey, Fingerprint, Guess};
use super::maybe::MaybeFuture;
pub use super::refusal::{BegunLock, Limit, Refusal};
use super::setting::SettingError;

/// The answer to [`AttemptLimiter::reserve`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Reserved {
    /// The attempt is charged and may be verified.
    Charged(Reservation),
    /// A budget is spent. The attempt is not charged: refused attempts never extend a lock.
    Refused(Refusal),
}

/// The answer to [`AttemptLimiter::check`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Checked {
    /// It was compared. If it was wrong, that is charged.
    Decided(Decided),
    /// A budget is spent: nothing was compared, and nothing charged.
    Refused(Refusal),
}

/// A check that was compared: how it ended, and what the endpoint reports about it.
#[derive(Debug)]
pub struct Decided {
    outcome: CheckOutcome,
    monitored: Option<Limit>,
    new_lock: Option<BegunLock>,
    unsettled: Option<Box<(Reservation, BackendError)>>,
}

impl Decided {
    /// A check with this outcome, whose charge is kept if it was wrong.
    #[must_use]
    pub const fn new(outcome: CheckOutcome) -> Self {
        Self { outcome, monitored: None, new_lock: None, unsettled: None }
    }

    /// A limit in monitoring mode would have refused the check: said in an event, nothing else.
    #[must_use]
    pub const fn would_refuse(mut self, limit: Limit) -> Self {
        self.monitored = Some(limit);
        self
    }

    /// A lock of the account began by the check, and its owner has no notice of it yet.
    #[must_use]
    pub const fn with_new_lock(mut self, lock: BegunLock) -> Self {
        self.new_lock = Some(lock);
        self
    }

    /// The charge could not be settled. It stays, unless another try takes it back.
    fn left_charged(mut self, again: Reservation, error: BackendError) -> Self {
        self.unsettled = Some(Box::new((again, error)));
        self
    }

    /// Whether it was right.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.outcome.is_right()
    }

    /// The limit in monitoring mode that would have refused the check.
    #[must_use]
    pub const fn monitored(&self) -> Option<Limit> {
        self.monitored
    }

    /// The lock of an account that began by the check, if its owner has no notice of it yet.
    #[must_use]
    pub const fn new_lock(&self) -> Option<BegunLock> {
        self.new_lock
    }

    /// What could not be settled, for another try, and why.
    pub(crate) fn take_unsettled(&mut self) -> Option<Box<(Reservation, BackendError)>> {
        self.unsettled.take()
    }
}

/// A charged attempt, to be settled once, and [once more](Self::again) after an `Err`. Dropped, it stays charged.
pub struct Reservation {
    key: [u8; 32],
    monitored: Option<Limit>,
    is_from_known_address: bool,
    is_again: bool,
    is_resumed: bool,
}

impl fmt::Debug for Reservation {
    /// Without the key, in which a limiter may keep a digest of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("monitored", &self.monitored).finish_non_exhaustive()
    }
}

impl Reservation {
    /// A reservation under the limiter's own 32 bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key, monitored: None, is_from_known_address: false, is_again: false, is_resumed: false }
    }

    /// A limit in monitoring mode would have refused the attempt: said in an event, nothing else.
    #[must_use]
    pub const fn would_refuse(mut self, limit: Limit) -> Self {
        self.monitored = Some(limit);
        self
    }

    /// Says whether the account succeeded from this address before, as far as the same step knew when it charged. Default: no,
    /// which is right for a limiter that remembers no addresses. See
    /// [`Attempt::is_from_known_address`](crate::Attempt::is_from_known_address) for what follows from it.
    #[must_use]
    pub const fn from_known_address(mut self, is_known: bool) -> Self {
        self.is_from_known_address = is_known;
        self
    }

    /// The same for a second try, after settling it was an `Err`.
    #[must_use]
    pub const fn again(&self) -> Self {
        Self { is_again: true, ..*self }
    }

    /// Whether settling it was tried before, and answered with an `Err`. What the first try has taken back in spite of that must
    /// not be taken back once more.
    #[must_use]
    pub const fn is_again(&self) -> bool {
        self.is_again
    }

    /// The same after it was settled as [`Pending`](Settlement::Pending): its bytes were kept meanwhile, perhaps by another process.
    #[must_use]
    pub const fn resumed(self) -> Self {
        Self { is_resumed: true, ..self }
    }

    /// Whether it was settled as [`Pending`](Settlement::Pending) before. Then one [`Success`](Settlement::Success) counts, the
    /// first, and nothing else changes anything.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Whether settling it so changes nothing: of an attempt that was pending only a success does.
    pub(crate) fn stays(&self, settlement: Settlement) -> bool {
        self.is_resumed && settlement != Settlement::Success
    }

    /// The limiter's own 32 bytes.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The limit in monitoring mode that would have refused the attempt.
    #[must_use]
    pub const fn monitored(&self) -> Option<Limit> {
        self.monitored
    }

    /// Whether the account succeeded from this address before.
    #[must_use]
    pub const fn is_from_known_address(&self) -> bool {
        self.is_from_known_address
    }
}

/// How a charged attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// The whole login succeeded: the failures of this account from this address are forgotten, and the attempt's own
    /// charges elsewhere go back.
    Success,
    /// The secret was wrong, or it was right and the answer does not say so: the account is disabled, locked, not verified, or
    /// denied for any other reason that the client does not learn. The attempt stays charged; the same secret again need not
    /// count. One settlement for all of them, because no later answer may distinguish them either.
    Denied,
    /// The secret was right and the login is not finished: a second factor is open. The attempt stays charged; the same secret
    /// again need not count. One [`Success`](Self::Success) on the same reservation may follow, [resumed](Reservation::resumed)
    /// by any process, within 30 minutes of the charge. What else follows keeps the charge.
    Pending,
    /// The attempt was decided against with an answer of its own: the secret is known from a leak, nothing of the scope may be
    /// granted, a denial whose code is revealed, or the credentials of a client. It stays charged, and the same
    /// secret again counts again.
    Refused,
    /// Nothing was decided, because a dependency failed: the account's charges go back, that of the address stays.
    Undecided,
    /// It was no guess: there was too much work to try it, it was right and nothing could be issued, or it names no account
    /// and was not denied. All charges of the attempt go back.
    Untried,
}

impl Settlement {
    /// The settlement of an attempt that counts on its address alone: only a denial stays charged. Nothing is remembered of the
    /// address, and a failing dependency must not spend the budget of a server that asks for many.
    pub(crate) const fn of_no_account(self) -> Self {
        if self.gives_back() || matches!(self, Self::Pending) { Self::Untried } else { self }
    }

    /// Whether charges of the attempt come back.
    pub(crate) const fn gives_back(self) -> bool {
        match self {
            Self::Success | Self::Undecided | Self::Untried => true,
            Self::Denied | Self::Pending | Self::Refused => false,
        }
    }
}

/// Counts attempts and refuses those beyond the budget: the endpoint "MUST be protected against brute force"
/// (RFC 6749 section 4.3.2).
///
/// # Contract
/// - [`reserve`](Self::reserve) is one atomic step: it looks and charges together, so parallel attempts never exceed the
///   budget. A store with `get` and `set` cannot do this; one conditional statement or script can.
/// - [`check`](Self::check) is one atomic step as well: it looks, compares, and charges or forgives. A look that refuses comes
///   before the comparison, so that a guesser under a lock learns nothing; and the outcome is answered only after the charge of
///   a wrong one is kept as firmly as that of a reservation. If others spend the budget in the meantime, it is refused, and
///   nothing shows that it was compared.
/// - A charge counts until time, a full login or an operator takes it back.
/// - [`settle`](Self::settle) takes back only what the attempt itself was charged, and the failures of its own account from
///   its own address after a full login. An attempt that is never settled, because it was dropped or panicked, stays charged.
/// - After an `Err` of [`settle`](Self::settle) it may be called once more, with the reservation that
///   [`again`](Reservation::again) gives. If the first call has taken something back in spite of its `Err`, the second
///   takes nothing back: a charge that comes back twice is a free guess. A limiter that cannot know does nothing then, and
///   the charge stays.
/// - Keys are equal only if every part is, the account's [kind](crate::user::AccountKey::kind) included: hash them with their lengths, not
///   joined by a separator. Addresses count by their [network](AttemptKey::network); for exempt ones only the budgets of the
///   account and of client secrets hold. An IPv6 /48 holds 65,536 of these networks: count on wider ones beside them,
///   with larger budgets, as [`MemoryLimiter`](crate::limiter::MemoryLimiter) does.
/// - A reservation is [from a known address](Reservation::from_known_address) only if a full login of the same account from the
///   same network succeeded before. Such attempts wait less where there is much to verify, so let no other outcome make an
///   address known, bound how many an account has, and forget them in time.
/// - A [code](Guess::Factor), a [recovery code](Guess::RecoveryCode) and a [message](Guess::Delivery) of a second factor have budgets
///   of their own, which no password gives back. A challenge gives nothing back at all. A finished login, which is settled as
///   [`Success`](Settlement::Success), takes back its own charge and ends the count of the user's codes in a row; those of
///   a short time it leaves. Recovery codes count by user and address, so that a stranger elsewhere does not close the owner's
///   last way in. Neither an exemption nor a known address lifts any of it.
/// - What was settled as [`Pending`](Settlement::Pending) stays charged until one success [resumes](Reservation::resumed) it, through
///   any process, within 30 minutes of the charge. A second success changes nothing, nor does any other settlement: remember which
///   have succeeded, in the step in which their charges come back.
/// - All budgets of an attempt are charged, or none. On a store that is spread over machines they must lie on one.
///
/// # Security
/// A lost charge is a free guess. A refusal too many locks a user out. Names come as they were typed, which may be a password
/// in the wrong field: a store outside the process keeps keyed digests of them.
///
/// # Cancellation
/// A `reserve` that is dropped half-way, because the client hung up or a [deadline](crate::mount::RequestLimits::store_deadline)
/// passed, may have charged; it must not have given a reservation for nothing. A `settle` that is dropped half-way may have
/// settled, or leaves its charge; it is not called again.
///
/// # Errors
/// A [`BackendError`] of `reserve` refuses the request with 503: no secret is verified without a count. One of `settle` changes no
/// answer; where a charge was to come back, it is tried once more within the request, after 600 ms at most.
pub trait AttemptLimiter: Send + Sync + 'static {
    /// Charges one attempt if every budget that it touches has room for it; else it charges none of them.
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>>;

    /// Settles a charged attempt. Answers a lock of its account that has begun by it and whose owner got no notice yet: at
    /// most one for each account and lock.
    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>>;

    /// Whether its settings can be, asked once by [`build`](crate::Builder::build), which passes the error on. Provided:
    /// they can.
    ///
    /// # Errors
    /// The first setting that is out of range.
    fn validate(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// Whether it counts under the operator's [shared key](crate::limiter::SharedKey); none if it counts in this process alone. A warning
    /// says it when the endpoint has such a key and the limiter has not, or the reverse. Provided: none.
    fn has_shared_key(&self) -> Option<bool> {
        None
    }

    /// Has something compared that is decided at once, such as a client's secret with its digest: looks, compares, and charges
    /// what was wrong or forgives what a [success](Settlement::Success) forgives, in one step. Nothing is under way in between,
    /// so that any number of right checks may run at once. Asked for accounts and clients only: there is nothing to compare
    /// for [`Guess::NoAccount`].
    ///
    /// Provided: reserves, compares and settles as [`Success`](Settlement::Success) or [`Denied`](Settlement::Denied). That
    /// keeps every promise but the last sentence: each check holds one place of the budget until it is settled, so that a busy
    /// client with the right secret may be refused. Override it where the store can do all of it under one lock or in one
    /// transaction, for which [`SecretCheck::into_owned`] may be of use; and write nothing for a right check if there is nothing to
    /// forgive and its address is remembered. Where the step can be dropped between comparison and charge, a right one must write,
    /// too: else a guesser who hangs up in between is charged nothing.
    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        MaybeFuture::new(async move {
            let reservation = match self.reserve(key).await? {
                Reserved::Charged(reservation) => reservation,
                Reserved::Refused(refusal) => return Ok(Checked::Refused(refusal)),
            };
            let mut decided = Decided::new(check.decide());
            if let Some(limit) = reservation.monitored() {
                decided = decided.would_refuse(limit);
            }
            let settlement = if decided.is_right() { Settlement::Success } else { Settlement::Denied };
            let again = reservation.again();
            // The charge stays where it cannot be settled, which is the safe side.
            Ok(Checked::Decided(match self.settle(reservation, settlement).await {
                Ok(None) => decided,
                Ok(Some(lock)) => decided.with_new_lock(lock),
                Err(error) => decided.left_charged(again, error),
            }))
        })
    }

    /// Takes the clock of the endpoint or guard that the part is given to, and answers whether the part goes by it from now on.
    /// Default: yes, for parts that read no clock. One that has another clock keeps it and answers no, and a warning says so.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

impl<L: AttemptLimiter + ?Sized> AttemptLimiter for Arc<L> {
    fn has_shared_key(&self) -> Option<bool> {
        (**self).has_shared_key()
    }

    fn validate(&self) -> Result<(), SettingError> {
        (**self).validate()
    }

    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        (**self).reserve(key)
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        (**self).settle(reservation, settlement)
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        (**self).check(key, check)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}
