//! Error codes of the application's own (RFC 6749 section 8.5).

use std::borrow::Cow;
use std::fmt;

use super::charset::is_nqschar;
use super::explained::explained;

/// An error code and description that the application adds to those of RFC 6749 section 5.2.
///
/// Sent only for a custom denial, and only when the builder's `danger` section says so.
///
/// ```
/// use tower_password_grant::HostCode;
///
/// assert!(HostCode::new("company_locked", "the account is closed until Monday").is_ok());
/// assert!(HostCode::new("b\"d", "").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCode {
    pub(crate) code: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
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
        let (code, description) = (code.into(), description.into());
        let legal = |text: &str, most: usize| text.len() <= most && text.bytes().all(is_nqschar);
        if code.is_empty() || !legal(&code, 64) || !legal(&description, 256) {
            return Err(HostCodeError(()));
        }
        Ok(Self { code, description })
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
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
