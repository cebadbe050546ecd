//! The limits of a limiter, as one value: the budgets, the modes, how long and how much is remembered.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::budget::{Lockout, Mode, TokenBucket, millis};
use super::policy::Policy;
use crate::boundary::limiter::Limit;
use crate::boundary::setting::{SettingError, one_or_more};

/// By which limits attempts are counted, whatever counts them: [`MemoryLimiter`](crate::limiter::MemoryLimiter), or a limiter over a store.
/// Give the same limits to all that count in one store.
///
/// A setting that cannot be is an error of [`build`](crate::Builder::build), which names the setting and what it may be.
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::limiter::{Limit, Limits, Lockout, MemoryLimiter};
///
/// let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
/// let till = Lockout::new(30, minutes(60)).locked_for(minutes(15), minutes(60));
/// let limits = Limits::new().with_account_and_address_budget(till);
/// let limits = limits.monitor(Limit::Address);
/// let limiter = MemoryLimiter::new().with_limits(limits);
/// # let _ = limiter;
/// ```
#[doc(alias = "brute_force")]
#[doc(alias = "lockout")]
#[doc(alias = "rate_limit")]
#[doc(alias = "throttle")]
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Limits {
    pub(crate) policy: Policy,
    /// What was set of a limit that is not the limiter's, if anything was.
    pub(super) foreign: Option<(&'static str, Limit)>,
    /// The most keys of each table.
    pub(crate) capacity: usize,
    /// Of known addresses, in milliseconds.
    pub(crate) lifetime: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let lifetime = millis(Duration::from_secs(90 * 24 * 3600));
        Self { policy: Policy::default(), foreign: None, capacity: 262_144, lifetime }
    }
}

impl Limits {
    /// The limits that are told at [`MemoryLimiter`](crate::limiter::MemoryLimiter), and 262,144 keys in each table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A digest of all by which attempts are counted: the same in each process with the same limits.
    pub(crate) fn digest(&self) -> [u8; 8] {
        let mut hash = Sha256::new_with_prefix(self.lifetime.to_le_bytes());
        self.policy.numbers().for_each(|number| hash.update(number.to_le_bytes()));
        let digest: [u8; 32] = hash.finalize().into();
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// A tenth of each budget, and one attempt at least.
    pub(crate) fn tenth(mut self) -> Self {
        self.policy = self.policy.tenth();
        self
    }

    /// Whether every setting can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if let Some((setting, limit)) = self.foreign {
            return Err(SettingError::new(
                setting,
                limit,
                "a limit of the limiter: this one is set at the builder's ceiling",
            ));
        }
        one_or_more("Limits::with_capacity", self.capacity)?;
        self.policy.check()
    }

    fn with_mode(mut self, setting: &'static str, limit: Limit, mode: Mode) -> Self {
        if !self.policy.set_mode(limit, mode) {
            self.foreign = Some((setting, limit));
        }
        self
    }

    /// `attempts` in a row, each within `window` of the one before, then a lock for as long as the window, every time:
    /// [`Lockout::new`] for each account and address **and** for each client's secret and address. Short for
    /// [`with_account_and_address_budget`](Self::with_account_and_address_budget) and
    /// [`with_client_and_address_budget`](Self::with_client_and_address_budget) with one budget whose locks do not grow. To change
    /// the number of guesses alone and keep the default's locks, use the former; it has an example.
    pub fn with_budget(self, attempts: u32, window: Duration) -> Self {
        let budget = Lockout::new(attempts, window);
        self.with_account_and_address_budget(budget).with_client_and_address_budget(budget)
    }

    /// Another budget for each account and address. Default: 10 in a row, each within an hour of the one before, then locks of 15
    /// minutes to an hour. Raise it where many people share one account, such as a shop's till; lower it where a lock is better
    /// than a few guesses more. It is replaced as a whole, locks included. This is the default with 5 guesses instead of 10:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_password_grant::limiter::{Limits, Lockout, MemoryLimiter};
    ///
    /// let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    /// let five = Lockout::new(5, minutes(60)).locked_for(minutes(15), minutes(60));
    /// let limits = Limits::new().with_account_and_address_budget(five);
    /// let limiter = MemoryLimiter::new().with_limits(limits);
    /// # let _ = limiter;
    /// ```
    pub fn with_account_and_address_budget(mut self, budget: Lockout) -> Self {
        self.policy.pair = budget;
        self
    }

    /// Another budget for each account over all addresses. Default: 100 in a row, each within a day of the one before,
    /// then locks of 1 to 24 hours. Lower it where accounts are worth the effort of a botnet; then strangers lock it sooner for new addresses.
    pub fn with_account_budget(mut self, budget: Lockout) -> Self {
        self.policy.account = budget;
        self
    }

    /// Another budget for each client's secret and address. Default: 10 in a row, each within an hour of the one before, then
    /// locks of 15 minutes to an hour.
    pub fn with_client_and_address_budget(mut self, budget: Lockout) -> Self {
        self.policy.client = budget;
        self
    }

    /// Another budget for each address over all accounts and clients. Default: 300, one more each minute. Raise it if very
    /// many users share an address. For a server that logs in for its users, name the
    /// [end user's address](crate::client::ClientBuilder::trust_end_user_address) instead.
    pub fn with_address_budget(mut self, budget: TokenBucket) -> Self {
        self.policy.address = budget;
        self
    }

    /// Another budget for the codes that are tried at one challenge of a second factor. Default: 5; the sixth is refused until the
    /// challenge has ended. A charge of it never comes back. Lower it where users paste their codes.
    pub fn with_challenge_budget(mut self, budget: Lockout) -> Self {
        self.policy.second.challenge = budget;
        self
    }

    /// Another budget for the codes of a second factor of one user in a short time, over all challenges and addresses. Default:
    /// 10, each within 15 minutes of the one before, then none for 15 minutes. A finished login takes back its own charge alone.
    /// Six digits have a million values and two of them are right at a time: more attempts make a guess more likely.
    pub fn with_factor_budget(mut self, budget: Lockout) -> Self {
        self.policy.second.recent = budget;
        self
    }

    /// Another budget for the codes of a second factor of one user in a row, over all challenges and addresses: a finished login
    /// begins it anew, and nothing else but an [operator](crate::limiter::LimiterOperator::unblock_factor) and time do. Default:
    /// 100, each within 30 days of the one before, then locks of 1, 2, 4, 7, 7 .. days. Recovery codes work meanwhile.
    pub fn with_factor_in_a_row_budget(mut self, budget: Lockout) -> Self {
        self.policy.second.in_a_row = budget;
        self
    }

    /// Another budget for the recovery codes of one user from one address. Default: 5, each within an hour of the one before, then
    /// none for an hour. It is not shared over addresses: a recovery code has more than 110 bits, so nobody guesses one, and a
    /// stranger elsewhere who knows the password must not close the owner's last way in.
    pub fn with_recovery_code_budget(mut self, budget: Lockout) -> Self {
        self.policy.second.recovery_code = budget;
        self
    }

    /// Another budget for the messages with a code to one authenticator. Default: 1 in 30 seconds. Raise the time where messages
    /// arrive late, so that users wait for the first.
    pub fn with_authenticator_budget(mut self, budget: Lockout) -> Self {
        self.policy.second.authenticator = budget;
        self
    }

    /// Another budget for the messages with a code to one user, over all authenticators. Default: 5, each within an hour of the one
    /// before, then none for an hour. Messages cost money, and somebody with a password can ask for them.
    pub fn with_delivery_budget(mut self, budget: Lockout) -> Self {
        self.policy.second.delivery = budget;
        self
    }

    /// The factors of IPv6 networks: how many times the budgets of a /64 all of its /56 and all of its /48 have together,
    /// those of accounts and clients at an address, and that of an address. Default: 4 and 16, for a provider may give a
    /// customer as much as a /48. At least 1: [`build`](crate::Builder::build) refuses 0. Raise the second where very many
    /// of your users come from one /48, as at a university; `u32::MAX` lifts either. Those of the request ceiling are set
    /// by [`RequestCeiling::ipv6_factors`](crate::limiter::RequestCeiling::ipv6_factors).
    ///
    /// Addresses from which an account succeeded before are neither counted nor refused by the budgets of the wider networks.
    pub fn with_ipv6_factors(mut self, net_56: u32, net_48: u32) -> Self {
        self.policy.set_factors(net_56, net_48);
        self
    }

    /// How long the secret that was denied last counts no more for the same account, if nothing else was tried in between.
    /// Default: 30 seconds. `Duration::ZERO` counts each: needed with a verifier that decides on more than the form, such as
    /// a code in a header, or one password could be tried with many codes.
    pub fn with_repeat_window(mut self, window: Duration) -> Self {
        self.policy.repeat = millis(window);
        self
    }

    /// How long an address from which an account succeeded is spared by the account's budget: the last four, as long as the
    /// account logs in from anywhere within this time. Default: 90 days. `Duration::ZERO` spares none, so that strangers can lock an account out of everywhere.
    pub fn with_known_addresses(mut self, lifetime: Duration) -> Self {
        self.lifetime = millis(lifetime);
        self
    }

    /// A limit only says in events what it would have refused. Default: every limit refuses. To watch before you switch it on.
    /// [`Limit::Requests`] and [`Limit::Introspections`] are not the limiter's, and [`build`](crate::Builder::build) refuses them;
    /// see [`RequestCeiling::monitor`](crate::limiter::RequestCeiling::monitor) and
    /// [`IntrospectionCeiling::monitor`](crate::limiter::IntrospectionCeiling::monitor).
    pub fn monitor(self, limit: Limit) -> Self {
        self.with_mode("Limits::monitor", limit, Mode::Monitor)
    }

    /// Switches a limit off. Default: all are on. [`Limit::Requests`] and [`Limit::Introspections`] are not the limiter's, and
    /// [`build`](crate::Builder::build) refuses them; see [`RequestCeiling::none`](crate::limiter::RequestCeiling::none) and
    /// [`IntrospectionCeiling::none`](crate::limiter::IntrospectionCeiling::none).
    pub fn disable(self, limit: Limit) -> Self {
        self.with_mode("Limits::disable", limit, Mode::Off)
    }

    /// The most keys of each table, 1 at least. Default: 262,144. In memory a key takes some 40 to 85 bytes, by how far the
    /// table has grown.
    pub fn with_capacity(mut self, keys: usize) -> Self {
        self.capacity = keys;
        self
    }
}
