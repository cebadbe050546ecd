//! How often the longest tests repeat what they do.

use std::env;

/// Whether `FULL_COUNTS=1` stands in the environment, as in `.ci/run`.
pub fn is_full() -> bool {
    env::var("FULL_COUNTS").as_deref() == Ok("1")
}

/// The full count, or one that still shows most faults.
pub fn full_or(full: usize, less: usize) -> usize {
    if is_full() { full } else { less }
}

/// As many, or a tenth.
pub fn count(full: usize) -> usize {
    full_or(full, full / 10)
}
