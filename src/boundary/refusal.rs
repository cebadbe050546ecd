//! What is told of an attempt that no budget has room for.

use std::time::Duration;

use super::limiter::Rule;

/// Why an attempt is refused, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    pub(crate) rule: Rule,
    pub(crate) retry_after: Duration,
    pub(crate) new_lock: Option<BegunLock>,
}

impl Refusal {
    /// A refusal by this rule, for as long as no attempt has a chance.
    #[must_use]
    pub const fn new(rule: Rule, retry_after: Duration) -> Self {
        Self { rule, retry_after, new_lock: None }
    }

    /// The lock of an account that nobody was told of yet.
    #[must_use]
    pub const fn with_new_lock(mut self, lock: BegunLock) -> Self {
        self.new_lock = Some(lock);
        self
    }

    /// The rule whose budget is spent.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// When there is budget again.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The lock of an account that nobody was told of yet.
    #[must_use]
    pub const fn new_lock(&self) -> Option<BegunLock> {
        self.new_lock
    }
}

/// A lock of an account that has begun and is told of once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BegunLock {
    pub(crate) rule: Rule,
    pub(crate) lasts: Duration,
}

impl BegunLock {
    /// A lock by this rule that lasts so long from now.
    #[must_use]
    pub const fn new(rule: Rule, lasts: Duration) -> Self {
        Self { rule, lasts }
    }

    /// The rule whose budget is spent.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// How long it lasts from now.
    #[must_use]
    pub const fn lasts(&self) -> Duration {
        self.lasts
    }
}
