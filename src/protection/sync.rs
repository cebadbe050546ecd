//! The locks, which a model checker replaces by its own: `RUSTFLAGS="--cfg shuttle"`.

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
