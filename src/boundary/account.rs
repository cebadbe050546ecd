//! The key under which attempts on one account are counted.

use std::borrow::Cow;
use std::fmt;

use crate::protocol::user::spelling;

/// The one key of an account, whatever spelling or alias was typed.
///
/// Attempts are counted on it, so two spellings that log in as one user must have one key, or each spelling gets a budget
/// of its own. Keys of different [kinds](AccountKeyKind) are never equal, whatever their texts are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountKey<'a> {
    kind: AccountKeyKind,
    text: Cow<'a, str>,
}

/// Where an [`AccountKey`] comes from. A limiter hashes it together with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccountKeyKind {
    /// [`AccountKey::canonical`]: the name itself, of a known or an unknown account.
    Name,
    /// [`AccountKey::resolved`]: what a verifier found for the name.
    Resolved,
    /// [`AccountKey::phantom`] and [`AccountKey::phantom_as_typed`]: a name for which a verifier found nothing.
    Phantom,
}

impl AccountKeyKind {
    /// A stable name in `snake_case`, for the key of a store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Resolved => "resolved",
            Self::Phantom => "phantom",
        }
    }

    /// The kind of this [name](Self::as_str), to the letter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Name, Self::Resolved, Self::Phantom].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl<'a> AccountKey<'a> {
    /// The canonical form of a login name, for a verifier that does not resolve names, and the default of
    /// [`CredentialVerifier::account_key`](crate::CredentialVerifier::account_key).
    ///
    /// This is the form in which names are counted **and** looked up: a store keeps its login names in this form too, made by
    /// this function when an account is created. A table whose names have another form already is asked for the name as it
    /// was sent ([`LoginName::as_typed`](crate::store::LoginName::as_typed)), or gets a column in this form.
    ///
    /// The form is what these steps give, repeated until they change nothing more:
    /// 1. Code points with Unicode's property `Default_Ignorable_Code_Point` are removed: zero-width characters, soft
    ///    hyphen, byte order mark, variation selectors, direction controls and the like.
    /// 2. Normalization Form KC (Unicode Standard Annex 15): one form of composed and decomposed letters, full-width
    ///    letters, ligatures, and other compatibility characters.
    /// 3. Each code point in lower case (Unicode's own mapping, of no language), and the final sigma as the other one.
    /// 4. White space (Unicode's `White_Space`) is removed at both ends.
    ///
    /// It does not depend on the system's language. Letters that only look alike (a Cyrillic `а`) stay apart, and so do
    /// accents, `ß` and `ss`, and white space inside. ASCII changes but for case and edges in nothing, and is borrowed
    /// where nothing changes. The form is never cut; it has at most eleven times the bytes of the name (U+FDFA is the
    /// worst), so at most 11,264 for the longest name that a request may have. It is empty for a name of white space
    /// and invisible characters only.
    ///
    /// ```
    /// use tower_password_grant::user::AccountKey;
    ///
    /// assert_eq!(AccountKey::canonical(" ALICE "), AccountKey::canonical("alice"));
    /// assert_eq!(AccountKey::canonical("Ｚｏｅ\u{308}\u{200b}").as_str(), "zoë");
    /// ```
    #[must_use]
    pub fn canonical(username: &'a str) -> Self {
        Self { kind: AccountKeyKind::Name, text: spelling::canonical(username) }
    }

    /// What the verifier resolved a name or alias to, such as the account's primary key. `id` is compared byte by byte.
    #[must_use]
    pub fn resolved(id: impl Into<Cow<'a, str>>) -> Self {
        Self { kind: AccountKeyKind::Resolved, text: id.into() }
    }

    /// The key of this kind and text, as [`kind`](Self::kind) and [`as_str`](Self::as_str) gave them: for an operator's tool,
    /// which has both from a log or a command line. Nothing is changed in the text.
    ///
    /// ```
    /// use tower_password_grant::user::{AccountKey, AccountKeyKind};
    ///
    /// let key = AccountKey::resolved("user-17");
    /// let (kind, text) = (key.kind().as_str(), key.as_str());
    /// let kind = AccountKeyKind::from_name(kind).expect("a name of a kind");
    /// assert_eq!(AccountKey::of(kind, text), key);
    /// ```
    #[must_use]
    pub fn of(kind: AccountKeyKind, text: impl Into<Cow<'a, str>>) -> Self {
        Self { kind, text: text.into() }
    }

    /// The same key with a text of its own, to keep it or to send it elsewhere.
    #[must_use]
    pub fn into_owned(self) -> AccountKey<'static> {
        AccountKey { kind: self.kind, text: Cow::Owned(self.text.into_owned()) }
    }

    /// A name that a resolving verifier does not know, in its [canonical](Self::canonical) form. Unknown names are counted
    /// like known ones: without a budget of their own they would show by the eleventh attempt.
    #[must_use]
    pub fn phantom(username: &'a str) -> Self {
        Self { kind: AccountKeyKind::Phantom, text: spelling::canonical(username) }
    }

    /// A name that a verifier does not know which compares names byte by byte, as they were sent: there each spelling is an
    /// account of its own, and so each spelling without an account is counted by itself.
    #[must_use]
    pub fn phantom_as_typed(username: &'a str) -> Self {
        Self { kind: AccountKeyKind::Phantom, text: Cow::Borrowed(username) }
    }

    /// Where the key comes from.
    #[must_use]
    pub const fn kind(&self) -> AccountKeyKind {
        self.kind
    }

    /// The text of the key by itself.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        self.text
    }

    /// The text of the key, without its kind: two keys with one text may be different.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
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
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unknown_name_never_has_the_key_of_a_known_account_t8_t9() {
        let keys = [AccountKey::canonical("17"), AccountKey::resolved("17"), AccountKey::phantom("17")];
        let kinds = [AccountKeyKind::Name, AccountKeyKind::Resolved, AccountKeyKind::Phantom];
        for (key, kind) in keys.iter().zip(kinds) {
            assert_eq!((key.as_str(), key.kind()), ("17", kind));
            assert_eq!(
                AccountKeyKind::from_name(kind.as_str()).map(|kind| AccountKey::of(kind, "17")).as_ref(),
                Some(key)
            );
            assert_eq!(format!("{key:?}"), "AccountKey([redacted])");
        }
        assert_eq!(HashSet::from(keys).len(), 3);
        assert_ne!(AccountKey::resolved("ID"), AccountKey::resolved("id"), "an id is no name");
    }

    proptest! {
        #[test]
        fn spellings_share_a_key_of_either_kind(name: String) {
            let padded = format!(" {name}\u{200b} ");
            prop_assert_eq!(AccountKey::canonical(&name), AccountKey::canonical(&padded));
            prop_assert_eq!(AccountKey::phantom(&name), AccountKey::phantom(&padded));
        }
    }
}
