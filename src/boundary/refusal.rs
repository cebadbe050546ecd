//! The answer to an attempt that no budget has room for.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::protocol::wait::seconds_to_wait;
use crate::protocol::wire::error::Reason;

/// A limit of the attack protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Attempts on one account from one address.
    AccountAndAddress,
    /// Attempts on one account over all addresses but those it succeeded from before.
    Account,
    /// Attempts from one address over all accounts and clients.
    Address,
    /// Attempts on one client's secret from one address.
    ClientAndAddress,
    /// Codes of a second factor that are tried at one challenge.
    Challenge,
    /// Codes of a second factor of one user, over all challenges, in a short time.
    Factor,
    /// Codes of a second factor of one user, over all challenges, since the last finished login.
    FactorInARow,
    /// Recovery codes of one user from one address.
    RecoveryCode,
    /// Messages with a code to one authenticator.
    Authenticator,
    /// Messages with a code to one user.
    Delivery,
    /// All token requests of one address, whatever they hold.
    Requests,
    /// Introspection requests of one client that may ask.
    Introspections,
}

impl Limit {
    /// A stable name in `snake_case`, fit for a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountAndAddress => "account_and_address",
            Self::Account => "account",
            Self::Address => "address",
            Self::ClientAndAddress => "client_and_address",
            Self::Challenge => "challenge",
            Self::Factor => "factor",
            Self::FactorInARow => "factor_in_a_row",
            Self::RecoveryCode => "recovery_code",
            Self::Authenticator => "authenticator",
            Self::Delivery => "delivery",
            Self::Requests => "requests",
            Self::Introspections => "introspections",
        }
    }

    /// Whether it locks accounts.
    pub(crate) const fn is_of_account(self) -> bool {
        matches!(self, Self::AccountAndAddress | Self::Account)
    }

    /// The reason of a refusal by this limit.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::AccountAndAddress | Self::Account => Reason::AccountThrottled,
            Self::Address => Reason::AddressThrottled,
            Self::ClientAndAddress => Reason::ClientThrottled,
            Self::Challenge | Self::Factor | Self::FactorInARow | Self::RecoveryCode => Reason::FactorThrottled,
            Self::Authenticator | Self::Delivery => Reason::DeliveryThrottled,
            Self::Requests => Reason::RequestsThrottled,
            Self::Introspections => Reason::IntrospectionsThrottled,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an attempt is refused, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub(crate) limit: Limit,
    pub(crate) retry_after: Duration,
    /// In whole seconds, because a small refusal is cheaper to hand over.
    address_wait: Option<NonZeroU32>,
    pub(crate) new_lock: Option<BegunLock>,
}

impl Refusal {
    /// A refusal by this limit, for as long as no attempt has a chance.
    #[must_use]
    pub const fn new(limit: Limit, retry_after: Duration) -> Self {
        Self { limit, retry_after, address_wait: None, new_lock: None }
    }

    /// The budget of the address is spent, too: for so long, whatever account is tried. Needed where
    /// [account locks are concealed](crate::limiter::AttackProtection::conceal_account_locks), which must not show at an address
    /// that is refused anyway.
    #[must_use]
    pub fn with_address_wait(mut self, wait: Option<Duration>) -> Self {
        self.address_wait =
            wait.and_then(|wait| NonZeroU32::new(u32::try_from(seconds_to_wait(wait)).unwrap_or(u32::MAX)));
        self
    }

    /// The lock of an account, if its owner has no notice of it yet.
    #[must_use]
    pub const fn with_new_lock(mut self, lock: BegunLock) -> Self {
        self.new_lock = Some(lock);
        self
    }

    /// The limit whose budget is spent.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// When there is budget again.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// When the address has budget again, if [that is spent](Self::with_address_wait): rounded up to whole seconds.
    #[must_use]
    pub fn address_wait(&self) -> Option<Duration> {
        self.address_wait.map(|seconds| Duration::from_secs(seconds.get().into()))
    }

    /// The lock of an account, if its owner has no notice of it yet.
    #[must_use]
    pub const fn new_lock(&self) -> Option<BegunLock> {
        self.new_lock
    }
}

/// A lock of an account that has begun. Its owner gets one notice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BegunLock {
    pub(crate) limit: Limit,
    pub(crate) lasts: Duration,
}

impl BegunLock {
    /// A lock by this limit that lasts so long from now.
    #[must_use]
    pub const fn new(limit: Limit, lasts: Duration) -> Self {
        Self { limit, lasts }
    }

    /// The limit whose budget is spent.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// How long it lasts from now.
    #[must_use]
    pub const fn lasts(&self) -> Duration {
        self.lasts
    }
}
