//! `Debug` of errors that a developer meets at start-up.

use std::error::Error;
use std::fmt;

/// Writes the message and those of its causes. `unwrap` and a `main` that returns an error print it by `Debug`, and the
/// cure is in the message, not in the variant's name.
pub(crate) fn explained(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(next) = cause {
        write!(f, ": {next}")?;
        cause = next.source();
    }
    Ok(())
}
