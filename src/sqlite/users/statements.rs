//! What the table of users prepares when the store opens.

use super::{list, store};

/// The statements of the table of users.
pub(in crate::sqlite) fn statements() -> impl Iterator<Item = &'static str> {
    store::STATEMENTS.into_iter().chain(list::STATEMENTS)
}
