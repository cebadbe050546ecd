use std::time::Duration;

use super::config_error::ConfigError;
use crate::observe::patience::Patience;

/// How long a call of a store may take.
const STORE: Duration = Duration::from_secs(5);
/// How long a verification may take: one store call, and as long as a hash may wait.
const VERIFIER: Duration = Duration::from_secs(10);

/// How long everything may take.
pub(super) struct Deadlines {
    pub(super) body: Option<Duration>,
    /// All parts together.
    pub(super) whole: Option<Duration>,
    /// One call of a part, if it was set.
    pub(super) store: Option<Option<Duration>>,
    pub(super) verifier: Option<Option<Duration>>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { body: Some(Duration::from_secs(10)), whole: Some(Duration::from_secs(30)), store: None, verifier: None }
    }
}

impl Deadlines {
    /// Checks them, and gives those of the parts. The body comes before the whole, so the two are independent.
    pub(super) fn patience(&self) -> Result<Patience, ConfigError> {
        let (store, verifier) = (self.store.flatten(), self.verifier.flatten());
        let parts = [("store_deadline", store), ("verifier_deadline", verifier)];
        let all = [("body_deadline", self.body), ("deadline", self.whole)].into_iter().chain(parts);
        if let Some((setting, _)) = all.into_iter().find(|(_, limit)| limit.is_some_and(|limit| limit.is_zero())) {
            return Err(ConfigError::NoTime(setting));
        }
        for (setting, part) in parts {
            if let (Some(part), Some(whole)) = (part, self.whole)
                && part > whole
            {
                return Err(ConfigError::Deadlines { setting, part, whole });
            }
        }
        Ok(Patience::new(self.part(self.store, STORE), self.part(self.verifier, VERIFIER)))
    }

    /// What was set; else the default, where the whole is longer.
    fn part(&self, set: Option<Option<Duration>>, default: Duration) -> Option<Duration> {
        set.unwrap_or_else(|| self.whole.filter(|whole| *whole > default).map(|_| default))
    }
}
