//! What the ledger of usage prepares when the store opens.

use super::{forget, place, record, report};

/// The statements of the ledger of usage.
pub(in crate::sqlite) fn statements() -> impl Iterator<Item = &'static str> {
    let all: [&[&str]; 4] = [&place::STATEMENTS, &record::STATEMENTS, &report::STATEMENTS, &forget::STATEMENTS];
    all.into_iter().flatten().copied()
}
