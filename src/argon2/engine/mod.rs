//! Implementations of Argon2, of which the build chooses one.
//!
//! | Feature | Implementation |
//! |---|---|
//! | without `argon2-fast` | `portable`: the crate `argon2` |
//! | `argon2-fast` | `simd`: the crate `argon2-rust`, which chooses the instructions of the processor at run time |

mod function;
mod known_answers;
#[cfg(any(test, not(feature = "argon2-fast")))]
pub(super) mod portable;
#[cfg(feature = "argon2-fast")]
mod simd;

pub(super) use self::function::{Engine, Function};
pub(super) use self::known_answers::answers_are_right;
#[cfg(not(feature = "argon2-fast"))]
pub(super) use self::portable::Portable as Chosen;
#[cfg(feature = "argon2-fast")]
pub(super) use self::simd::Simd as Chosen;
