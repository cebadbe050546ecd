//! Checks that are decided at once, inside one step of the limiter.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::protocol::client::credentials::Comparison;

/// A comparison that a limiter does in one step with its look and its charge; see
/// [`AttemptLimiter::check`](crate::limiter::AttemptLimiter::check). A caller that wants to know how it ended has to ask a limiter.
///
/// It waits for nothing: it digests a secret of at most a few kilobytes and compares digests in constant time.
#[must_use = "it is decided by a limiter"]
pub struct SecretCheck<'a>(Work<'a>);

enum Work<'a> {
    Secret(Comparison<'a>),
    /// For tests: what it says, and how often it was asked.
    Known(bool, Option<Arc<AtomicUsize>>),
}

impl<'a> SecretCheck<'a> {
    pub(crate) fn of(comparison: Comparison<'a>) -> Self {
        Self(Work::Secret(comparison))
    }

    /// A check with this outcome, for the tests of your own limiter.
    pub const fn known(is_right: bool) -> Self {
        Self(Work::Known(is_right, None))
    }

    /// A check that counts how often it was decided.
    #[allow(dead_code, reason = "for the suites of tests, which are a feature")]
    pub(crate) fn counted(is_right: bool, count: Arc<AtomicUsize>) -> Self {
        Self(Work::Known(is_right, Some(count)))
    }

    /// The same with nothing borrowed, to take it into another thread or a transaction. Digests what is to be digested, but
    /// compares nothing.
    pub fn into_owned(self) -> SecretCheck<'static> {
        SecretCheck(match self.0 {
            Work::Secret(comparison) => Work::Secret(comparison.digested()),
            Work::Known(is_right, count) => Work::Known(is_right, count),
        })
    }

    /// The same check for two limiters, of which the second is asked if the first is away.
    pub(crate) fn twice(self) -> [SecretCheck<'static>; 2] {
        match self.into_owned().0 {
            Work::Secret(comparison) => {
                let (first, second) = comparison.twice();
                [first, second].map(SecretCheck::of)
            }
            Work::Known(is_right, count) => {
                let second = SecretCheck(Work::Known(is_right, count.clone()));
                [SecretCheck(Work::Known(is_right, count)), second]
            }
        }
    }

    /// Compares. Only for limiters, and only after every budget was seen to have room: the outcome goes nowhere before the
    /// charge of a wrong one is kept.
    pub fn decide(self) -> CheckOutcome {
        let is_right = match self.0 {
            Work::Secret(comparison) => comparison.compare(),
            Work::Known(is_right, count) => {
                if let Some(count) = count {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                is_right
            }
        };
        CheckOutcome { is_right }
    }
}

impl fmt::Debug for SecretCheck<'_> {
    /// Without what is compared.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretCheck([redacted])")
    }
}

/// How a check ended. Only [`SecretCheck::decide`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct CheckOutcome {
    is_right: bool,
}

impl CheckOutcome {
    /// Whether it was right.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        self.is_right
    }
}
