//! Texts in an error that are not the table's: codes and sentences of the application's own (RFC 6749 section 8.5).

use std::borrow::Cow;
use std::fmt;

use super::charset::is_nqschar;
use crate::protocol::explained::explained;

/// A text that fits an error: printable ASCII without `"` and `\` (RFC 6749 A.7 and A.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorText(Cow<'static, str>);

impl ErrorText {
    /// A text of at most `most` bytes.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>, most: usize) -> Result<Self, HostCodeError> {
        let text = text.into();
        let is_legal = text.len() <= most && text.bytes().all(is_nqschar);
        if is_legal { Ok(Self(text)) } else { Err(HostCodeError(())) }
    }

    /// A text made fit: at most this many characters, with `?` for each that is not legal.
    pub(crate) fn cleaned(text: &str, most: usize) -> Self {
        let legal = |c: char| u8::try_from(c).is_ok_and(is_nqschar);
        Self(text.chars().take(most).map(|c| if legal(c) { c } else { '?' }).collect())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An error code and description that the application adds to those of RFC 6749 section 5.2.
///
/// Sent only for a custom denial, and only when the builder's `danger` section says so.
///
/// ```
/// use tower_password_grant::user::HostCode;
///
/// assert!(HostCode::new("company_locked", "the account is closed until Monday").is_ok());
/// assert!(HostCode::new("b\"d", "").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCode {
    pub(crate) code: ErrorText,
    pub(crate) description: ErrorText,
}

impl HostCode {
    /// A code (1 to 64 characters) and a description (at most 256) from the characters that RFC 6749 A.7 and A.8 allow:
    /// printable ASCII without `"` and `\`. An empty description is not sent.
    ///
    /// # Errors
    /// Fails on any other character or length.
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> Result<Self, HostCodeError> {
        let (code, description) = (ErrorText::new(code, 64)?, ErrorText::new(description, 256)?);
        if code.as_str().is_empty() {
            return Err(HostCodeError(()));
        }
        Ok(Self { code, description })
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_str()
    }
}

/// A code or description that RFC 6749 A.7 or A.8 does not allow.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("an error code is 1 to 64 and a description at most 256 printable ASCII characters without quote or backslash")]
pub struct HostCodeError(());

impl fmt::Debug for HostCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
