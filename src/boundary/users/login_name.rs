//! The name under which a user logs in, in the two forms in which a table can be asked for it.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::boundary::account::AccountKey;

const TYPED: u8 = 1;
const CANONICAL: u8 = 2;

/// The login name of a request, for [`UserStore::find`](super::store::UserStore::find). It has two forms, and the store chooses:
///
/// - [`canonical`](Self::canonical) for a column that holds names in this form, made by
///   [`AccountKey::canonical`](crate::user::AccountKey::canonical) when an account is created, or for a column that ignores case. All
///   spellings of a name then find one account. Choose it for a new table.
/// - [`as_typed`](Self::as_typed) for a column that holds names as their users once chose them and is compared byte by byte:
///   `Bob@Example.com` is found by `Bob@Example.com` alone, as it was before.
///
/// Asking a column of the second kind for the canonical form locks out all users whose name has a capital letter.
///
/// ```
/// use tower_password_grant::store::LoginName;
///
/// let login = LoginName::new(" Bob@Example.com");
/// assert_eq!(login.canonical(), "bob@example.com");
/// assert_eq!(login.as_typed(), " Bob@Example.com");
/// ```
///
/// A verifier sees which form was read: a name without an account is counted like one with an account, under all its
/// spellings or under each by itself. So read `as_typed` only to look it up.
pub struct LoginName<'a> {
    typed: Cow<'a, str>,
    /// `None` if it is the typed one.
    canonical: Option<Cow<'a, str>>,
    read: AtomicU8,
}

impl<'a> LoginName<'a> {
    /// Both forms of a name: for your own tests and tools.
    #[must_use]
    pub fn new(typed: &'a str) -> Self {
        let canonical = Some(AccountKey::canonical(typed).into_text()).filter(|canonical| canonical != typed);
        Self { typed: Cow::Borrowed(typed), canonical, read: AtomicU8::new(0) }
    }

    /// The name in the form of [`AccountKey::canonical`](crate::user::AccountKey::canonical): in lower case, without white space at
    /// its ends, and more. Never empty in a request.
    #[must_use]
    pub fn canonical(&self) -> &str {
        self.read.fetch_or(CANONICAL, Ordering::Relaxed);
        self.text()
    }

    /// The name byte by byte as it was sent: 1 to 1024 bytes of any Unicode, without control characters other than TAB.
    #[must_use]
    pub fn as_typed(&self) -> &str {
        self.read.fetch_or(TYPED, Ordering::Relaxed);
        &self.typed
    }

    /// The same name with texts of its own, for work that outlives the request.
    #[must_use]
    pub fn into_owned(self) -> LoginName<'static> {
        LoginName {
            typed: Cow::Owned(self.typed.into_owned()),
            canonical: self.canonical.map(|text| Cow::Owned(text.into_owned())),
            read: self.read,
        }
    }

    /// Whether the canonical form is empty. A row may have an empty name, but nobody logs in by it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// The key of this name for a store that does not know it. Spellings share it exactly if they would share an account:
    /// otherwise a lock would show which names exist. For a verifier of your own, in its
    /// [`account_key`](crate::CredentialVerifier::account_key), after the store was asked.
    #[must_use]
    pub fn phantom(&self) -> AccountKey<'static> {
        match self.read.load(Ordering::Relaxed) {
            TYPED => AccountKey::phantom_as_typed(&self.typed).into_owned(),
            _ => AccountKey::phantom(&self.typed).into_owned(),
        }
    }

    fn text(&self) -> &str {
        self.canonical.as_ref().unwrap_or(&self.typed)
    }
}

impl Clone for LoginName<'_> {
    fn clone(&self) -> Self {
        let read = AtomicU8::new(self.read.load(Ordering::Relaxed));
        Self { typed: self.typed.clone(), canonical: self.canonical.clone(), read }
    }
}

impl fmt::Debug for LoginName<'_> {
    /// Redacted: people type passwords into the wrong field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginName([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_is_counted_in_the_form_in_which_it_was_looked_up_t8_t9() {
        let [one, two] = ["Zed", "zed"].map(LoginName::new);
        assert_eq!(one.phantom(), two.phantom(), "nothing was read");
        let _ = (one.as_typed(), two.as_typed());
        assert_ne!(one.phantom(), two.phantom(), "each spelling is another account");
        let _ = (one.canonical(), two.canonical());
        assert_eq!(one.phantom(), two.phantom(), "the wider form says which spellings are one account");
        assert_eq!(format!("{one:?}"), "LoginName([redacted])");
    }

    #[test]
    fn both_forms_outlive_the_request() {
        for (typed, canonical) in [("alice", "alice"), (" Bob ", "bob"), ("\u{200b}", "")] {
            let login = LoginName::new(typed).into_owned();
            assert_eq!((login.as_typed(), login.canonical()), (typed, canonical));
            assert_eq!(login.is_empty(), canonical.is_empty());
        }
    }
}
