//! What the store prepares when it opens.

use super::{access, clients, counting_key, factors, limiter, once, prune, refresh, usage, users};

/// All statements of the store.
pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    let core: [&[&str]; 5] =
        [&refresh::STATEMENTS, &access::STATEMENTS, &once::STATEMENTS, &factors::STATEMENTS, &clients::STATEMENTS];
    core.into_iter()
        .flatten()
        .copied()
        .chain(users::statements())
        .chain(prune::statements())
        .chain(limiter::statements())
        .chain(usage::statements())
        .chain(counting_key::STATEMENTS)
}
