//! Charge before verify: the budget of attempts (RFC 6749 sections 2.3.1, 4.3.2 and 10.10).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::backend::BackendError;
use super::maybe::MaybeFuture;

/// What one attempt tries to guess, and from where.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct AttemptKey<'a> {
    /// What is guessed.
    pub guess: Guess<'a>,
    /// The address that counts, with IPv4 in its own form; `None` if the host chose to have none.
    pub address: Option<IpAddr>,
}

impl<'a> AttemptKey<'a> {
    /// A key, for the tests of your own limiter.
    #[must_use]
    pub const fn new(guess: Guess<'a>, address: Option<IpAddr>) -> Self {
        Self { guess, address }
    }
}

/// What an attempt tries to guess.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Guess<'a> {
    /// The password of an account, or another credential of it.
    Account {
        /// The realm of the client, if it is bound to one.
        realm: Option<&'a str>,
        /// The account's key, from the verifier.
        account: &'a str,
    },
    /// The credentials of a client.
    Client {
        /// The id that was claimed, of a known or an unknown client.
        client_id: &'a str,
    },
}

impl std::fmt::Debug for AttemptKey<'_> {
    /// Without the account: people type passwords into the wrong field.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let guess = match self.guess {
            Guess::Account { .. } => "account",
            Guess::Client { .. } => "client",
        };
        f.debug_struct("AttemptKey").field("guess", &guess).field("address", &self.address).finish()
    }
}

impl std::fmt::Debug for Guess<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guess")
    }
}

/// The answer to [`AttemptLimiter::reserve`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Reserved {
    /// The attempt is charged and may be verified.
    Charged(Reservation),
    /// The budget is spent. The attempt is not charged: refused attempts never extend a lock.
    Refused {
        /// When there is budget again.
        retry_after: Duration,
    },
}

/// A charged attempt that can be settled once. Dropped, it stays charged.
#[derive(Debug)]
pub struct Reservation([u8; 32]);

impl Reservation {
    /// A reservation under the limiter's own 32 bytes.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The limiter's own 32 bytes.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

/// How a charged attempt ended well. One that ended badly is never settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// The whole login succeeded: the failures of this account from this address are forgotten.
    Success,
    /// Nothing was decided (a dependency failed): only this one charge is given back.
    Undecided,
}

/// Counts attempts and refuses those beyond the budget: the endpoint "MUST be protected against brute force"
/// (RFC 6749 section 4.3.2).
///
/// # Contract
/// - [`reserve`](Self::reserve) is one atomic step: it looks and charges together, so parallel attempts never exceed the
///   budget. A store with `get` and `set` cannot do this; one conditional statement or script can.
/// - A charge counts until time, a full login or an operator takes it back.
/// - Keys are equal only if every part is: hash them with their lengths, not joined by a separator.
///
/// # Security
/// A lost charge is a free guess. A refusal too many locks somebody out.
///
/// # Cancellation
/// A `reserve` that is dropped half-way may have charged; it must not have given a reservation for nothing.
///
/// # Errors
/// A [`BackendError`] refuses the request with 503: nobody is verified without a count.
pub trait AttemptLimiter: Send + Sync + 'static {
    /// Charges one attempt if the budget has room for it.
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>>;

    /// Settles a charged attempt that ended well.
    fn settle(&self, reservation: Reservation, settlement: Settlement) -> MaybeFuture<'_, Result<(), BackendError>>;
}

impl<L: AttemptLimiter + ?Sized> AttemptLimiter for Arc<L> {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        (**self).reserve(key)
    }

    fn settle(&self, reservation: Reservation, settlement: Settlement) -> MaybeFuture<'_, Result<(), BackendError>> {
        (**self).settle(reservation, settlement)
    }
}

/// The proof that an attempt was charged. Made from a reservation only, and needed to make an
/// [`Attempt`](crate::Attempt): without a charge there is nothing to verify.
pub(crate) struct Charged(());

impl Charged {
    pub(crate) fn by(_reservation: &Reservation) -> Self {
        Self(())
    }
}
