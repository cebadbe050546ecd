//! The locks of this crate, and what becomes of one after a panic.

use std::sync::{LockResult, PoisonError};

// A model checker replaces the locks of the limiter and of the stores by its own: `RUSTFLAGS="--cfg shuttle"`.
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

/// What a lock guards, also after a panic under it. Nothing of this crate panics there, at most a clock of the application's, and
/// what a lock guards is whole at each moment. Without this, one panic would fail every later request.
#[inline]
pub(crate) fn held<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
