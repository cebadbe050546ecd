//! Events about stored password hashes. A stored text never gets into one.

use tracing::{error, warn};

use super::events::Escaped;

/// A stored hash could not be compared with a password.
pub(crate) fn hash_unusable(subject: &str, format: &'static str, cause: &'static str) {
    warn!(
        subject = %Escaped(subject),
        format,
        cause,
        "a stored password hash could not be used; the login was refused as with a wrong password"
    );
}

/// The store did not give back the upgraded hash that it was given.
pub(crate) fn upgrade_lost(subject: &str, written: usize, kept: usize, is_restored: bool) {
    let subject = Escaped(subject);
    let hint =
        "the column of the password hash must hold 255 characters; no more hashes are upgraded until the restart";
    if is_restored {
        warn!(
            %subject, written, kept, hint,
            "the store cut or changed an upgraded password hash; the old one was put back"
        );
    } else {
        error!(
            %subject, written, kept, hint,
            "the store cut or changed an upgraded password hash, and the old one could not be put back"
        );
    }
}

/// An upgraded hash was not saved.
pub(crate) fn upgrade_failed(subject: &str, cause: &'static str) {
    warn!(subject = %Escaped(subject), cause, "an upgraded password hash was not saved; its user goes on with the old one");
}
