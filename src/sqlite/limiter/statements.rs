//! What the limiter prepares when the store opens.

use super::{operator, rows};

/// The statements of the limiter.
pub(in crate::sqlite) fn statements() -> impl Iterator<Item = &'static str> {
    rows::STATEMENTS.into_iter().chain(operator::STATEMENTS)
}
