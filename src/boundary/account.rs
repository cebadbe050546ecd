//! The key under which attempts on one account are counted.

use std::borrow::Cow;
use std::fmt;

/// The one key of an account, whatever spelling or alias was typed.
///
/// Attempts are counted on it, so two spellings that log in as one user must have one key, or each spelling gets a budget
/// of its own.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountKey<'a>(Cow<'a, str>);

impl<'a> AccountKey<'a> {
    /// The default: the user name without white space around it, in lower case (Unicode's own mapping). It is right for
    /// a user store whose look-up ignores exactly that, or less.
    ///
    /// ```
    /// use tower_password_grant::AccountKey;
    ///
    /// assert_eq!(AccountKey::canonical(" ALICE "), AccountKey::canonical("alice"));
    /// ```
    #[must_use]
    pub fn canonical(username: &'a str) -> Self {
        let trimmed = username.trim();
        let plain = trimmed.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        Self(if plain { Cow::Borrowed(trimmed) } else { Cow::Owned(trimmed.to_lowercase()) })
    }

    /// A key that the verifier resolved, such as the account's primary key. Keep the keys of known and unknown names
    /// apart, for example by a prefix.
    #[must_use]
    pub fn new(key: impl Into<Cow<'a, str>>) -> Self {
        Self(key.into())
    }

    pub(crate) fn to_static(&self) -> AccountKey<'static> {
        AccountKey(Cow::Owned(self.as_str().to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccountKey<'_> {
    /// Redacted: people type passwords into the wrong field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_canonical_form_is_idempotent(name in "\\PC{0,20}") {
            let once = AccountKey::canonical(&name);
            prop_assert_eq!(AccountKey::canonical(once.as_str()), once.clone());
        }
    }
}
