//! Preparing passwords, so that one that is typed on another keyboard is the same.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::protocol::explained::explained;
use crate::protocol::secret::secrets::Password;

/// A preparation of passwords: the same letters are the same bytes, however a device writes them.
///
/// Some devices send `é` as one code point and others as two; for a hash these are two passwords. By default a password is
/// compared exactly as it was sent (ASVS 6.2.8). Choose a preparation before the first password is set, and apply it
/// **wherever one is set or compared**: a password that was hashed without it and has such a letter is right no more.
///
/// `Argon2VerifierBuilder::prepare_passwords` applies it at logins and in `hash_password`. For a hash from elsewhere, call
/// [`apply`](Self::apply).
///
/// ```
/// use tower_password_grant::Password;
/// use tower_password_grant::user::PasswordPreparation;
///
/// let password = Password::new("caf\u{65}\u{301}".to_owned());
/// let prepared = PasswordPreparation::nfc().apply(&password)?;
/// assert_eq!(prepared.expose(), "caf\u{e9}");
/// # Ok::<(), tower_password_grant::user::PreparationError>(())
/// ```
#[derive(Clone, Copy)]
pub struct PasswordPreparation {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&str) -> Result<Password, PreparationError>,
}

impl PasswordPreparation {
    /// Normalization Form C (NIST SP 800-63B-4 section 3.1.1.2): composed and decomposed letters are one. It refuses nothing, and
    /// changes no password that is ASCII.
    #[must_use]
    pub fn nfc() -> Self {
        Self { name: "NFC", apply: |text| Ok(nfc(text)) }
    }

    /// The prepared password.
    ///
    /// # Errors
    /// Fails for a password that the preparation does not allow; [`nfc`](Self::nfc) allows every one.
    pub fn apply(&self, password: &Password) -> Result<Password, PreparationError> {
        (self.apply)(password.expose())
    }
}

pub(crate) fn nfc(text: &str) -> Password {
    // No code point grows to more than three times its bytes, so the buffer is never moved.
    let mut prepared = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    prepared.extend(text.nfc());
    Password::new(std::mem::take(&mut *prepared))
}

impl fmt::Debug for PasswordPreparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordPreparation({})", self.name)
    }
}

/// A password that the chosen preparation does not allow.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the password has a character that its preparation does not allow, or nothing is left of it: choose another one"
)]
pub struct PreparationError(pub(crate) ());

impl fmt::Debug for PreparationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prepared(text: &str) -> String {
        PasswordPreparation::nfc().apply(&Password::new(text.to_owned())).unwrap().expose().to_owned()
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_password_ni_04() {
        assert_eq!(prepared("e\u{301}"), "\u{e9}");
        assert_eq!(prepared("\u{e9}"), "\u{e9}");
        assert_eq!(prepared("\u{ff21} b\tc"), "\u{ff21} b\tc", "width, case, white space and controls stay");
        assert_eq!(format!("{:?}", PasswordPreparation::nfc()), "PasswordPreparation(NFC)");
    }

    proptest! {
        #[test]
        fn twice_is_once_and_the_buffer_holds_it_pr_05(text: String) {
            let once = prepared(&text);
            prop_assert!(once.len() <= text.len() * 3);
            prop_assert_eq!(prepared(&once), once);
        }
    }
}
