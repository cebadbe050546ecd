use std::fmt;

use super::ceiling::requests::RequestCeiling;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::notifier::LockNotifier;
use crate::protocol::ip_network::IpNetwork;
use crate::protocol::secret::shared_key::SharedKey;

/// The attack protection of an endpoint: what counts its attempts and requests, for which addresses, and what a lock shows. Given
/// to [`Builder::attack_protection`](crate::Builder::attack_protection). All of it is on without that call, too. The manual says
/// what it [protects from](crate::manual::attack_protection).
///
/// ```
/// use tower_password_grant::limiter::{AttackProtection, Limit, Limits, MemoryLimiter};
///
/// let limits = Limits::new().monitor(Limit::Address);
/// let limiter = MemoryLimiter::new().with_limits(limits);
/// let protection = AttackProtection::new().limiter(limiter).conceal_account_locks();
/// # let _ = protection;
/// ```
#[doc(alias = "brute_force")]
#[doc(alias = "lockout")]
#[doc(alias = "rate_limit")]
#[doc(alias = "throttle")]
#[derive(Default)]
#[must_use]
pub struct AttackProtection {
    pub(crate) limiter: Option<Box<dyn AttemptLimiter>>,
    pub(crate) shared_key: Option<SharedKey>,
    pub(crate) request_ceiling: Option<RequestCeiling>,
    pub(crate) exempt: Vec<IpNetwork>,
    pub(crate) notifier: Option<Box<dyn LockNotifier>>,
    pub(crate) conceals_account_locks: bool,
}

impl AttackProtection {
    /// The default: attempts and requests are counted in the memory of this process, by the default limits, for every address.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts the attempts. Default: [`MemoryLimiter`](super::MemoryLimiter), in this process only. Change it when several
    /// processes share the load, for other [limits](super::Limits), or to keep the limiter and
    /// [operate](super::LimiterOperator) it.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses limits that are out of range.
    pub fn limiter(mut self, limiter: impl AttemptLimiter) -> Self {
        self.limiter = Some(Box::new(limiter));
        self
    }

    /// The key that all processes of this service share, so that the same mistake counts once whichever of them it comes through,
    /// and after a restart. Default: each process makes a key of its own at the start. Give it as soon as there is a second
    /// process, and to the limiter's store, which may then keep which secret was denied last.
    pub fn shared_key(mut self, key: SharedKey) -> Self {
        self.shared_key = Some(key);
        self
    }

    /// How many requests of one address are taken, whatever they hold. Default: 1,000 at once and 100 a second in the long
    /// run. Raise it where very many users share an address. Introspection requests of clients that may ask count on their
    /// [own ceiling](crate::token::IntrospectionEndpoint::ceiling) instead.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses a ceiling that is out of range.
    pub fn request_ceiling(mut self, ceiling: RequestCeiling) -> Self {
        self.request_ceiling = Some(ceiling);
        self
    }

    /// The allow-list: networks whose addresses the limits that name an address do not hold for. The ceiling of each account
    /// over all addresses and the budgets of client secrets still do. Default: none. For test runners and monitoring. A second
    /// call adds to the list.
    ///
    /// It is compared with the address that counts, never with that of a proxy before it.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses a network that holds every address.
    pub fn exempt_networks(mut self, networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        self.exempt.extend(networks);
        self
    }

    /// Gets a notice when an account was locked, to send its owner a message: at most once for each account and lock. Default:
    /// none.
    pub fn lock_notifier(mut self, notifier: impl LockNotifier) -> Self {
        self.notifier = Some(Box::new(notifier));
        self
    }

    /// Answers public clients 400 `invalid_grant`, byte by byte as for a wrong password and without `Retry-After`, where a
    /// lock of the account refuses ([`Limit::AccountAndAddress`](super::Limit::AccountAndAddress) and
    /// [`Limit::Account`](super::Limit::Account)). Default: off, so that they are answered 429 like every other refusal, and
    /// an app can say when to come again.
    ///
    /// Switch it on where an attacker must not learn that two names are one account: they share a lock, which shows it. It costs
    /// something: under a lock the right password is called wrong. Give a [`lock_notifier`](Self::lock_notifier) then, so that
    /// at least the owner learns why. Refusals of an address, of a client and of too many requests stay 429, whatever name was
    /// tried; so do all of confidential clients, which speak for their users. Audit, events and metrics keep the true reason and
    /// limit.
    ///
    /// The time still shows it: a refused attempt is not hashed, so it is answered sooner than a wrong password. A hash for each
    /// would let a client that is locked out keep the server busy.
    pub fn conceal_account_locks(mut self) -> Self {
        self.conceals_account_locks = true;
        self
    }
}

impl fmt::Debug for AttackProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttackProtection")
            .field("request_ceiling", &self.request_ceiling)
            .field("exempt", &self.exempt)
            .field("conceals_account_locks", &self.conceals_account_locks)
            .finish_non_exhaustive()
    }
}
