//! Settings out of range: an error, never changed silently.

use std::fmt;

use crate::protocol::explained::explained;

/// A setting of a part that is out of range, such as a store without room. The error comes where the setting is made, or from
/// [`build`](crate::Builder::build); nothing is changed silently.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}`: {given} is out of range: choose {range}")]
pub struct SettingError {
    setting: &'static str,
    given: String,
    range: &'static str,
}

impl SettingError {
    /// The setting as it is written in code, what it was given, and what it may be, as in `2 or more`.
    #[must_use]
    pub fn new(setting: &'static str, given: impl fmt::Debug, range: &'static str) -> Self {
        Self { setting, given: format!("{given:?}"), range }
    }

    /// The setting, as it is written in code.
    #[must_use]
    pub const fn setting(&self) -> &'static str {
        self.setting
    }
}

/// The value of a setting that is 1 or more.
pub(crate) fn one_or_more<T>(setting: &'static str, given: T) -> Result<T, SettingError>
where
    T: fmt::Debug + PartialOrd + From<u8>,
{
    if given < T::from(1) { Err(SettingError::new(setting, given, "1 or more")) } else { Ok(given) }
}

impl fmt::Debug for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
