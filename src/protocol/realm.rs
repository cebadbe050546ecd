//! Realms: separate directories of users.

use std::sync::Arc;
use std::{fmt, iter};

use super::explained::explained;
use super::user::spelling::is_default_ignorable;

/// The parameter of a request that names one.
pub(crate) const PARAMETER: &str = "realm";

/// Stands between the realm and the identifier of a subject. So no name has it.
const SEPARATOR: &str = "|";

/// The most bytes of a name.
const MAX_NAME: usize = 128;

/// The realm of a request, or that it has none. Chosen once, from the registration of the client; cloning is cheap.
///
/// One word wide, because the future of every request holds some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Realm(Option<Arc<Box<str>>>);

impl Realm {
    /// A realm of this name, if it is fit for one.
    pub(crate) fn new(name: &str) -> Result<Self, RealmError> {
        if is_name(name) { Ok(Self::kept(name)) } else { Err(RealmError::Name(name.to_owned())) }
    }

    /// A realm as it was kept, of whatever name.
    pub(crate) fn kept(name: &str) -> Self {
        Self(Some(Arc::new(name.into())))
    }

    #[inline]
    pub(crate) fn as_deref(&self) -> Option<&str> {
        self.0.as_ref().map(|name| &***name)
    }

    /// Whether it is the realm of this name.
    #[inline]
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.as_deref().is_some_and(|own| is_same(own, name))
    }
}

/// Whether two texts are the same. Names of 8 to 16 bytes, as most are, are compared by two words, without a call.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    match (ends(one), ends(other)) {
        // Together they are all of it. Where names differ, it is mostly at the end.
        (Some((start, end)), Some((other_start, other_end))) if one.len() <= 16 => {
            end == other_end && start == other_start
        }
        _ => one == other,
    }
}

/// The first eight bytes and the last eight.
#[inline]
fn ends(text: &[u8]) -> Option<(u64, u64)> {
    Some((u64::from_ne_bytes(*text.first_chunk()?), u64::from_ne_bytes(*text.last_chunk()?)))
}

/// The identifier, over all realms, of a subject that has this one in its realm.
pub(crate) fn subject_of_all_realms(realm: &str, id: &str) -> String {
    let parts = [realm, SEPARATOR, id];
    // `concat` takes twice the instructions.
    let mut subject = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| subject.push_str(part));
    subject
}

/// Both subjects that the logins of a user may have: [`Realms`](crate::realms::Realms) puts the realm in front, unless it keeps the
/// identifiers.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn subjects_of(realm: Option<&str>, user: String) -> Vec<String> {
    let of_all_realms = realm.map(|realm| subject_of_all_realms(realm, &user));
    iter::once(user).chain(of_all_realms).collect()
}

/// The name space of a realm, for a key; that of no realm is not that of a realm without a name.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn directory(realm: Option<&str>) -> String {
    realm.map_or_else(|| "-".to_owned(), |realm| format!("+{realm}"))
}

/// The identifier that a user has in its own directory: the subject of a token of this realm without the realm in front, which
/// [`Realms`](crate::realms::Realms) has put there. None for a subject that does not begin with this realm and `|`.
///
/// Use it before you look a user up by the subject of a [`Principal`](crate::bearer::Principal), or change one, such as for a new
/// password. Stores of tokens take the subject as it is.
///
/// ```
/// use tower_password_grant::realms::own_id;
///
/// assert_eq!(own_id("employees", "employees|17"), Some("17"));
/// assert_eq!(own_id("customers", "employees|17"), None);
/// ```
#[must_use]
pub fn own_id<'s>(realm: &str, subject: &'s str) -> Option<&'s str> {
    subject.strip_prefix(realm)?.strip_prefix(SEPARATOR)
}

/// Whether a realm can have this name.
fn is_name(name: &str) -> bool {
    // Else two realms may look the same.
    let is_printable = |c: char| c == ' ' || !(c.is_control() || c.is_whitespace() || is_default_ignorable(c));
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_printable) && !name.contains(SEPARATOR)
}

/// Why realms cannot be named so.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RealmError {
    /// A name that is empty, longer than 128 bytes, or has a `|` or a character that cannot be printed or seen.
    #[error("{0:?} names no realm: take 1 to {MAX_NAME} bytes of printable characters, without `{SEPARATOR}`")]
    Name(String),
    /// A realm that was named before.
    #[error("the realm {0:?} is named twice: name each one once")]
    Twice(String),
    /// A list of realms without one.
    #[error("a list of realms is empty: name at least one, or leave the list out")]
    Empty,
}

impl fmt::Debug for RealmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_is_named_by_its_own_name_to_the_last_byte() {
        for length in 1..40 {
            let name: String = ('a'..='z').cycle().take(length).collect();
            let realm = Realm::new(&name).unwrap();
            assert!(realm.is_named(&name) && !Realm::default().is_named(&name));
            assert!(!realm.is_named(&format!("{name}a")) && !realm.is_named(&name[1..]) && !realm.is_named(""));
            for at in 0..length {
                let mut other = name.clone();
                other.replace_range(at..=at, "-");
                assert!(!realm.is_named(&other), "{name} and {other}");
            }
        }
    }

    #[test]
    fn a_realm_has_a_printable_name_of_1_to_128_bytes_without_the_separator() {
        let longest = "n".repeat(128);
        for good in ["a", "Staff of Cologne", "Köln", "acme:emea", "~", &longest, &"é".repeat(64)] {
            assert_eq!(Realm::new(good).unwrap().as_deref(), Some(good));
        }
        let long = "n".repeat(129);
        for bad in ["", "a|b", "|", "a\nb", "a\tb", "\0", "\u{7f}", "\u{85}", "a\u{2028}b", &long, &"é".repeat(65)] {
            assert_eq!(Realm::new(bad), Err(RealmError::Name(bad.to_owned())));
        }
        for invisible in ["\u{200b}", "a\u{202e}b", "\u{feff}a", "\u{2066}", "\u{e0041}", "a\u{ad}", "\u{200f}a"] {
            assert_eq!(Realm::new(invisible), Err(RealmError::Name(invisible.to_owned())));
        }
        let told = format!("{:?}", RealmError::Name("a|b\n".to_owned()));
        assert_eq!(told, r#""a|b\n" names no realm: take 1 to 128 bytes of printable characters, without `|`"#);
    }
}
