//! `Debug` of errors that a developer meets at start-up.

use std::error::Error;
use std::fmt;

/// Writes the message and those of its causes. `unwrap` and a `main` that returns an error print it by `Debug`, and the
/// cure is in the message, not in the variant's name. What a message has said of its cause is not said again.
pub(crate) fn explained(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut said = error.to_string();
    f.write_str(&said)?;
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !said.ends_with(&text) {
            write!(f, ": {text}")?;
            said = text;
        }
        cause = next.source();
    }
    Ok(())
}
