use super::builder::Builder;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::notifier::LockNotifier;
use crate::limiter::ceiling::requests::RequestCeiling;
use crate::protocol::ip_network::IpNetwork;
use crate::protocol::secret::shared_key::SharedKey;

/// The attack protection. All of it is on by default; see the [manual](crate::manual::attack_protection).
impl<C, V, I> Builder<C, V, I> {
    /// Counts the attempts. Default: [`MemoryLimiter`](crate::limiter::MemoryLimiter), in this process only. Change it when several
    /// processes share the load.
    pub fn limiter(mut self, limiter: impl AttemptLimiter) -> Self {
        self.options.limiter = Some(Box::new(limiter));
        self
    }

    /// The key that all processes of this service share, so that the same mistake counts once whichever of them it comes through,
    /// and after a restart. Default: each process makes a key of its own at the start. Give it as soon as there is a second
    /// process, and to the [limiter's store](crate::limiter::SharedKey), which may then keep which secret was denied last.
    pub fn shared_key(mut self, key: SharedKey) -> Self {
        self.options.shared_key = Some(key);
        self
    }

    /// How many requests of one address are taken, whatever they hold. Default: 1,000 at once and 100 a second in the long
    /// run. Raise it where very many users share an address. Introspection requests of clients that may ask count on their
    /// [own ceiling](crate::token::IntrospectionEndpoint::ceiling) instead.
    pub fn request_ceiling(mut self, ceiling: RequestCeiling) -> Self {
        self.options.request_ceiling = Some(ceiling);
        self
    }

    /// The allow-list: networks whose addresses the rules that name an address do not hold for. The ceiling of each account
    /// over all addresses and the budgets of client secrets still do. Default: none. For test runners and monitoring.
    ///
    /// It is compared with the address that counts, never with that of a proxy before it.
    pub fn exempt_networks(mut self, networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        self.options.exempt.extend(networks);
        self
    }

    /// Gets a notice when an account was locked, to send its owner a message: at most once for each account and lock. Default:
    /// none.
    pub fn lock_notifier(mut self, notifier: impl LockNotifier) -> Self {
        self.options.notifier = Some(Box::new(notifier));
        self
    }

    /// Answers public clients 400 `invalid_grant`, byte by byte as for a wrong password and without `Retry-After`, where a
    /// lock of the account refuses ([`Rule::AccountAndAddress`](crate::limiter::Rule::AccountAndAddress) and
    /// [`Rule::Account`](crate::limiter::Rule::Account)). Default: off, so that they are answered 429 like every other refusal, and
    /// an app can say when to come again.
    ///
    /// Switch it on where an attacker must not learn that two names are one account: they share a lock, which shows it. It costs
    /// something: under a lock the right password is called wrong. Give a [`lock_notifier`](Self::lock_notifier) then, so that
    /// at least the owner learns why. Refusals of an address, of a client and of too many requests stay 429, whatever name was
    /// tried; so do all of confidential clients, which speak for their users. Audit, events and metrics keep the true reason and
    /// rule.
    ///
    /// The time still shows it: a refused attempt is not hashed, so it is answered sooner than a wrong password. A hash for each
    /// would let a client that is locked out keep the server busy.
    pub fn conceal_account_locks(mut self) -> Self {
        self.options.conceals_account_locks = true;
        self
    }
}
