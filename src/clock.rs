//! Time: the clocks by which tokens expire and locks end.
//!
//! The endpoint and its parts read a [`SystemClock`], unless they are given another [`Clock`]: for tests, or where a process has a
//! time of its own. A part that you write takes the clock of its endpoint by `follow_clock`, as a [`SharedClock`].
//!
//! ```
//! use tower_password_grant::clock::{Clock, SystemClock};
//!
//! let clock = SystemClock::new();
//! assert!(clock.elapsed() <= clock.elapsed());
//! ```

pub use crate::boundary::clock::{Clock, SharedClock, SystemClock};
