use std::time::Duration;

use super::config_error::ConfigError;
use crate::conductor::gate::BodyLimits;
use crate::observe::patience::Patience;

/// How long a call of a store may take.
const STORE: Duration = Duration::from_secs(5);
/// How long a verification may take: one store call, and as long as a hash may wait.
const VERIFIER: Duration = Duration::from_secs(10);
/// How long a login rule may take: a look-up and a little more. There may be several.
const RULE: Duration = Duration::from_secs(2);

/// What one request may take: how much of a body is read, and how long everything may last. Given to
/// [`Builder::request_limits`](crate::Builder::request_limits). The manual says which wait must end
/// [before which](crate::manual::operating#deadlines).
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::mount::RequestLimits;
///
/// let seconds = |seconds| Some(Duration::from_secs(seconds));
/// let limits = RequestLimits::new().deadline(seconds(20)).store_deadline(seconds(3));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RequestLimits {
    max_body: usize,
    body: Option<Duration>,
    /// All parts together.
    whole: Option<Duration>,
    /// One call of a part, if it was set.
    store: Option<Option<Duration>>,
    verifier: Option<Option<Duration>>,
    rule: Option<Option<Duration>>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_body: 32 * 1024,
            body: Some(Duration::from_secs(10)),
            whole: Some(Duration::from_secs(30)),
            store: None,
            verifier: None,
            rule: None,
        }
    }
}

impl RequestLimits {
    /// The default of each limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most bytes of a body. Default: 32 KiB. A larger one is answered 413 without being parsed. No memory is reserved for
    /// what was not sent yet: a body that comes slowly holds at most twice what came of it, from 512 bytes on. Raise it where a
    /// client authentication method of your own needs more.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses zero.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// How long a body may take to arrive. Default: 10 seconds, then 408. `None` leaves it to an outer layer. Needs
    /// tokio's timer.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses zero.
    pub fn body_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.body = deadline;
        self
    }

    /// How long verifier, registry, issuer and limiter may take together, after the body was read. Default: 30 seconds,
    /// then 503; the attempt stays charged. `None` leaves it to an outer layer, and so are then
    /// [`store_deadline`](Self::store_deadline), [`verifier_deadline`](Self::verifier_deadline) and
    /// [`rule_deadline`](Self::rule_deadline) if they are not set.
    /// Needs tokio's timer.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses zero.
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.whole = deadline;
        self
    }

    /// How long one call of a part may take: a look-up of the registry, a charge or a settlement of the limiter, an account's key
    /// and the [recheck](crate::CredentialVerifier::recheck) of the verifier, a call of the issuer, of the refresh token store,
    /// of the verifier of access tokens, of the store of second factors, of a delivery of codes, or of a client authentication
    /// method. Default: 5 seconds, or [`deadline`](Self::deadline) if that is shorter. A part that takes longer is cut off, which
    /// telemetry names, and the answer is 503 with `Retry-After`; the others are not waited for. A charge that was being made may
    /// stay, and one that was being settled does; so does that of a client authentication method, which should therefore end its
    /// own calls earlier and answer an `Err`. `None` leaves only `deadline`. Change it with the acquire time-out of your database
    /// pool, which must be shorter to show as its own error. Needs tokio's timer, but only for parts that are not ready at once.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses zero, and more than `deadline`.
    pub fn store_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.store = Some(deadline);
        self
    }

    /// How long the verification of a user's credentials may take: [`verify`](crate::CredentialVerifier::verify) of the
    /// verifier and [`exchange`](crate::grant::ExtensionGrant::exchange) of an extension grant. Default: 10 seconds, or
    /// [`deadline`](Self::deadline) if that is shorter. It is longer than [`store_deadline`](Self::store_deadline), because
    /// hashes queue for the processor (`Argon2Verifier` refuses what waited for 5 seconds, and bounds its own look-ups).
    /// Afterwards the answer is 503, and the attempt stays charged: what was cut off may have been about to say no. `None`
    /// leaves only `deadline`. Needs tokio's timer, but only for verifiers that are not ready at once.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses zero, and more than `deadline`.
    pub fn verifier_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.verifier = Some(deadline);
        self
    }

    /// How long each [login rule](crate::rules) may take. Default: 2 seconds, or [`deadline`](Self::deadline) if that is shorter. A
    /// rule that takes longer is cut off, which telemetry names; the answer is 503, and the attempt's charge goes back. `None` leaves
    /// only `deadline`. Raise it for a rule that asks a slow service. Needs tokio's timer, but only for rules that are not ready at
    /// once.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses zero, and more than `deadline`.
    pub fn rule_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.rule = Some(deadline);
        self
    }

    pub(super) fn whole(&self) -> Option<Duration> {
        self.whole
    }

    /// Checks those of the body. It comes before the whole, so the two are independent.
    pub(super) fn body(&self) -> Result<BodyLimits, ConfigError> {
        if self.max_body == 0 {
            return Err(ConfigError::BodyLimit);
        }
        not_over_at_once("body_deadline", self.body)?;
        Ok(BodyLimits { size: self.max_body, deadline: self.body })
    }

    /// Checks the whole and its parts, and gives the time of the parts.
    pub(super) fn patience(&self) -> Result<Patience, ConfigError> {
        not_over_at_once("deadline", self.whole)?;
        let parts =
            [("store_deadline", self.store), ("verifier_deadline", self.verifier), ("rule_deadline", self.rule)];
        for (setting, part) in parts {
            not_over_at_once(setting, part.flatten())?;
            if let (Some(Some(part)), Some(whole)) = (part, self.whole)
                && part > whole
            {
                return Err(ConfigError::Deadlines { setting, part, whole });
            }
        }
        let rule = self.part(self.rule, RULE);
        Ok(Patience::new(self.part(self.store, STORE), self.part(self.verifier, VERIFIER), rule))
    }

    /// What was set; else the default, where the whole is longer.
    fn part(&self, set: Option<Option<Duration>>, default: Duration) -> Option<Duration> {
        set.unwrap_or_else(|| self.whole.filter(|whole| *whole > default).map(|_| default))
    }
}

fn not_over_at_once(setting: &'static str, limit: Option<Duration>) -> Result<(), ConfigError> {
    if limit.is_some_and(|limit| limit.is_zero()) {
        return Err(ConfigError::NoTime(setting));
    }
    Ok(())
}
