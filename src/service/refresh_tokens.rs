use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config_error::ConfigError;
use crate::boundary::clock::Clock;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::refresh::RefreshTokenStore;
use crate::conductor::access_tokens::AccessTokens;
use crate::conductor::families::{Families, Lifetimes};
use crate::observe::patience::Bound;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::token::lifetime::{self, DEFAULT_LEEWAY};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The refresh tokens of an endpoint: where they are kept, and how long they live. Given to
/// [`Builder::refresh_tokens`](crate::Builder::refresh_tokens).
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::store::MemoryRefreshTokens;
/// use tower_password_grant::token::RefreshTokens;
///
/// let a_week = Duration::from_secs(7 * 24 * 3600);
/// let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new()).lifetime(a_week);
/// ```
#[must_use]
pub struct RefreshTokens {
    store: Box<dyn RefreshTokenStore>,
    lifetimes: Lifetimes,
    access_token_lifetime: Option<Duration>,
    ends_denied: bool,
}

impl RefreshTokens {
    /// Refresh tokens that are kept in this store.
    pub fn in_store(store: impl RefreshTokenStore) -> Self {
        let lifetimes = Lifetimes {
            lifetime: DAY.saturating_mul(30),
            idle_lifetime: DAY.saturating_mul(14),
            leeway: DEFAULT_LEEWAY,
        };
        Self { store: Box::new(store), lifetimes, access_token_lifetime: None, ends_denied: false }
    }

    /// How long after a login its last refresh token ends, however often it was refreshed, for clients without a
    /// [lifetime](crate::client::ClientBuilder::refresh_token_lifetime) of their own. Default: 30 days. Shorter where a stolen
    /// device does harm.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses less than a second.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.lifetime = lifetime;
        self
    }

    /// How long a refresh token may lie unused, for clients without an
    /// [idle lifetime](crate::client::ClientBuilder::refresh_token_idle_lifetime) of their own. Default: 14 days.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses less than a second.
    pub fn idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetimes.idle_lifetime = lifetime;
        self
    }

    /// How long after its first use a refresh token may be presented again, as long as its successor is unused, by a client
    /// that did not get the answer: it gets the same successor again. For clients without a
    /// [leeway](crate::client::ClientBuilder::refresh_token_leeway) of their own. Default: 10 seconds. Zero makes each lost
    /// answer a lost login.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses more than 60 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.lifetimes.leeway = leeway;
        self
    }

    /// How long access tokens live that a refresh gives, in whole seconds. Default: as those of a login. Change it to give the
    /// password grant shorter ones (RFC 6749 section 10.7).
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses less than a second.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = Some(lifetime);
        self
    }

    /// Ends a login, with its access tokens, at the first refresh that the verifier denies: the account is disabled, locked,
    /// unverified or gone. Default: off. The refresh is refused, and the login goes on once the account is good again: a lock
    /// that ends by itself, or a look-up that missed the user for a moment, should log no user out. Change it where an account is
    /// disabled because a thief may be logged in to it; or end its logins when you disable it
    /// ([`RefreshTokenStore::revoke_subject`], `SqliteStore::end_logins`), which also ends those that are not used meanwhile.
    pub fn end_denied_logins(mut self) -> Self {
        self.ends_denied = true;
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Lifetimes { lifetime, idle_lifetime, leeway } = self.lifetimes;
        for lifetime in [lifetime, idle_lifetime].into_iter().chain(self.access_token_lifetime) {
            lifetime::lifetime(lifetime)?;
        }
        lifetime::leeway(leeway)?;
        Ok(())
    }

    pub(super) fn access_lifetime(&self) -> Option<Duration> {
        self.access_token_lifetime
    }

    pub(super) fn ends_denied(&self) -> bool {
        self.ends_denied
    }

    /// The families that are kept in the store.
    pub(super) fn families(
        self,
        issuer: &dyn TokenIssuer,
        access: &Arc<AccessTokens>,
        clock: &Arc<dyn Clock>,
        patience: Bound,
        places: Keyed,
    ) -> Arc<Families> {
        let (issuer_store, access, clock) = (issuer.store_identity(), Arc::clone(access), Arc::clone(clock));
        Arc::new(Families::new(self.store, issuer_store, patience, self.lifetimes, access, clock, places))
    }
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokens").field("lifetimes", &self.lifetimes).finish_non_exhaustive()
    }
}
