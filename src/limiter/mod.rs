//! Attack protection: the budgets of attempts, the limiters that count by them, and ceilings on requests.
//!
//! By default the endpoint counts by [`Limits::new`] in the memory of this process, which a restart clears.
//! Choose other limits for a [`MemoryLimiter`], count in a store that processes share with a [`StoredLimiter`] over
//! [`AttemptRecords`], such as those of the features `postgres` and `redis` (or with the limiter of the feature `sqlite`), or write an [`AttemptLimiter`] of your own.
//! [`LimiterOperator`] lists locks and lifts them, a [`LockNotifier`] writes to owners. The manual says what the budgets
//! [protect from](crate::manual::attack_protection).
//!
//! ```
//! use std::time::Duration;
//! use tower_password_grant::limiter::{Limits, Lockout, MemoryLimiter};
//!
//! // The default with 5 guesses instead of 10. A budget holds its locks, too.
//! let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
//! let five = Lockout::new(5, minutes(60)).locked_for(minutes(15), minutes(60));
//! let limits = Limits::new().with_account_and_address_budget(five);
//! let limiter = MemoryLimiter::new().with_limits(limits);
//! # let _ = limiter;
//! ```
// What counts and for how long is decided in `step`, pure functions over values with explicit time. An engine loads the records of
// an attempt, runs the step and keeps what changed: `memory` in the memory of this process, `stored` in a store of the
// application's. `ceiling` bounds the requests of one sender before anything of them is read. Beside the rooms stands what the
// engines share.

pub(crate) mod ceiling;
pub(crate) mod first_tries;
pub(crate) mod locks;
pub(crate) mod memory;
pub(crate) mod protection;
pub(crate) mod step;
pub(crate) mod stored;

pub use crate::boundary::check::{CheckOutcome, SecretCheck};
pub use crate::boundary::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Checked, Decided, Fingerprint, Guess, Limit, Refusal, Reservation, Reserved,
    Settlement,
};
pub use crate::boundary::notifier::{LockNotice, LockNotifier};
pub use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage};
pub use crate::boundary::records::{AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};
pub use crate::protocol::secret::shared_key::{SharedKey, SharedKeyError};
pub use ceiling::introspections::IntrospectionCeiling;
pub use ceiling::requests::RequestCeiling;
pub use memory::fallback::FallbackLimiter;
pub use memory::limiter::MemoryLimiter;
pub use memory::stats::LimiterStats;
pub use protection::AttackProtection;
pub use step::budget::{Lockout, TokenBucket};
pub use step::limits::Limits;
pub use stored::limiter::StoredLimiter;

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
