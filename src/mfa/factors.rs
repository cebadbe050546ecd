use std::fmt;
use std::sync::Arc;

use super::tools::Tools;
use crate::boundary::factors::delivery::CodeDelivery;
use crate::boundary::factors::second_factor::{FactorPolicy, SecondFactor, When};
use crate::boundary::factors::store::FactorStore;
use crate::boundary::once::OneTimeValues;
use crate::boundary::setting::SettingError;
use crate::protocol::factor::authenticator::Channel;
use crate::protocol::secret::secret_keys::SecretKeys;

/// How many recovery codes a user gets, unless it is said.
const RECOVERY_CODES: u8 = 8;
/// The most of them.
const MOST_RECOVERY_CODES: u8 = 20;
/// The most characters of the name that an authenticator app shows.
const LONGEST_NAME: usize = 64;

/// Second factors: which there are, of which users one is demanded, where they are kept, and the keys of what is sealed. Given to
/// `Builder::second_factor`.
///
/// ```
/// use tower_password_grant::mfa::{Factors, When};
/// use tower_password_grant::store::MemoryFactors;
/// use tower_password_grant::user::SecretKeys;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = vec![7; 32]; // `openssl rand 32`
/// let keys = SecretKeys::new("2026-11", key)?;
/// let factors = Factors::new(MemoryFactors::new(), keys)
///     .demand(When::Enrolled)
///     .totp("Example Bank")
///     .recovery_codes(8);
/// # let _ = factors;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "2fa")]
#[doc(alias = "two_factor")]
#[must_use]
pub struct Factors {
    store: Arc<dyn FactorStore>,
    once: Arc<dyn OneTimeValues>,
    keys: SecretKeys,
    demand: When,
    application: Option<String>,
    recovery_codes: Option<u8>,
    deliveries: Vec<(Channel, Box<dyn CodeDelivery>)>,
}

impl Factors {
    /// Second factors that are kept in this store, and sealed under these keys. At least one kind is to be added:
    /// [`totp`](Self::totp) or [`deliver`](Self::deliver).
    ///
    /// The store keeps authenticators, and which challenges were used. All processes of one service need the same store and the
    /// same keys. The keys seal the secrets of authenticator apps in the store, and logins that wait for a code, which the client
    /// keeps. So a lost key is a lost factor of each user: keep it apart from the store, and in a backup of its own. To change it,
    /// see [the manual](crate::manual::second_factor#changing-the-key).
    pub fn new<S: FactorStore + OneTimeValues>(store: S, keys: SecretKeys) -> Self {
        let store = Arc::new(store);
        Self {
            store: Arc::clone(&store) as Arc<dyn FactorStore>,
            once: store,
            keys,
            demand: When::default(),
            application: None,
            recovery_codes: Some(RECOVERY_CODES),
            deliveries: Vec::new(),
        }
    }

    /// Of which users a factor is demanded. Default: [`When::Enrolled`], of those who have one. [`When::Always`] once all users can
    /// enrol, and [`When::Ruled`] if a login rule decides alone. A rule can demand one in each case.
    pub const fn demand(mut self, demand: When) -> Self {
        self.demand = demand;
        self
    }

    /// Lets users enrol an authenticator app (RFC 6238). `application` is the name that the app shows beside the account: 1 to 64
    /// characters without a colon. The account has the name that the verifier gives its user at
    /// [`recheck`](crate::CredentialVerifier::recheck) ([`Subject::with_login_name`](crate::Subject::with_login_name)), else the
    /// subject's identifier. Default: none can be enrolled; those that are in the store work all the same.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses another name.
    pub fn totp(mut self, application: impl Into<String>) -> Self {
        self.application = Some(application.into());
        self
    }

    /// How many recovery codes a user gets with the first factor: 1 to 20. Default: 8. Each works once, and the answer to a login
    /// with one has a new one in its place. Fewer are easier to keep, more forgive more lost answers.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses another number.
    pub const fn recovery_codes(mut self, number: u8) -> Self {
        self.recovery_codes = Some(number);
        self
    }

    /// Gives users no recovery codes. Default: they get some. Then somebody who has lost the only authenticator needs an operator,
    /// who [resets](crate::store::FactorStore::remove_all) the account: choose it if such a way is in place, and known to be safe
    /// from a caller who pretends. Codes that are in the store work all the same.
    pub const fn without_recovery_codes(mut self) -> Self {
        self.recovery_codes = None;
        self
    }

    /// Lets users enrol this channel, and sends codes over it, or questions for [`Channel::Push`]. Default: none. One delivery for
    /// each channel; a part that serves several is given several times, behind an `Arc`.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses two deliveries for one channel.
    pub fn deliver(mut self, channel: Channel, delivery: impl CodeDelivery) -> Self {
        self.deliveries.push((channel, Box::new(delivery)));
        self
    }

    /// The first setting that cannot be.
    fn fault(&self) -> Option<SettingError> {
        let is_name = |name: &str| {
            let is_odd = |letter: char| letter.is_control() || letter == ':';
            (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains(is_odd)
        };
        let name = self.application.as_deref().filter(|name| !is_name(name));
        let number = self.recovery_codes.filter(|number| !(1..=MOST_RECOVERY_CODES).contains(number));
        let twice = self.deliveries.iter().enumerate().find_map(|(at, (channel, _))| {
            let before = self.deliveries.get(..at).unwrap_or_default();
            before.iter().any(|(other, _)| other == channel).then_some(channel)
        });
        let has_none = self.application.is_none() && self.deliveries.is_empty();
        let fault = |setting, given: &dyn fmt::Debug, range| SettingError::new(setting, given, range);
        name.map(|name| fault("Factors::totp", &name, "1 to 64 characters without a colon"))
            .or_else(|| number.map(|number| fault("Factors::recovery_codes", &number, "1 to 20")))
            .or_else(|| twice.map(|channel| fault("Factors::deliver", &format_args!("{channel:?} twice"), "each once")))
            .or_else(|| has_none.then(|| fault("Factors", &format_args!("no factor"), "`totp`, `deliver` or both")))
    }
}

impl From<Factors> for SecondFactor {
    fn from(factors: Factors) -> Self {
        let fault = factors.fault();
        let policy = FactorPolicy {
            demand: factors.demand,
            has_otp: factors.application.is_some(),
            recovery_codes: factors.recovery_codes,
        };
        Self {
            store: factors.store,
            once: factors.once,
            tools: Box::new(Tools::new(&factors.keys, factors.application.unwrap_or_default())),
            policy,
            deliveries: factors.deliveries,
            fault,
        }
    }
}

impl fmt::Debug for Factors {
    /// Without the keys, of which it shows the names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: Vec<Channel> = self.deliveries.iter().map(|(channel, _)| *channel).collect();
        f.debug_struct("Factors")
            .field("keys", &self.keys)
            .field("demand", &self.demand)
            .field("application", &self.application)
            .field("recovery_codes", &self.recovery_codes)
            .field("channels", &channels)
            .finish_non_exhaustive()
    }
}
