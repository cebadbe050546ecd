//! Access token scope (RFC 6749 section 3.3).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use super::explained::explained;
use super::wire::charset::is_nqchar;

/// The most tokens that one scope may have.
const MAX_TOKENS: usize = 100;

/// A set of scope tokens (RFC 6749 section 3.3): case-sensitive, without order or repeats.
///
/// Printed in sorted order with single spaces. Cloning is cheap.
///
/// ```
/// use tower_password_grant::Scope;
///
/// let scope: Scope = "write read read".parse()?;
/// assert_eq!(scope.to_string(), "read write");
/// assert!(scope.contains("read") && !scope.contains("Read"));
/// # Ok::<_, tower_password_grant::token::ScopeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scope(Arc<str>);

impl Default for Scope {
    fn default() -> Self {
        // One for all, because most that is made begins with it.
        static NONE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));
        Self(Arc::clone(&NONE))
    }
}

impl Scope {
    /// The scope as it stands in a response: sorted tokens with single spaces between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no token in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// As [`iter`](Self::iter), without a search for the bounds of characters.
    fn tokens(&self) -> impl Iterator<Item = &[u8]> {
        self.0.as_bytes().split(|byte| *byte == b' ').filter(|token| !token.is_empty())
    }

    /// Whether `token` is one of the tokens.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        let wanted = token.as_bytes();
        self.tokens().any(|own| own == wanted)
    }

    /// Whether every token of this scope is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        // In order and without repeats, a part is never written longer than the whole.
        self.0.len() <= other.0.len() && (self == other || self.is_within(other))
    }

    /// Both are sorted, so both are gone through once, and a token that is missing is missed where it should stand.
    fn is_within(&self, other: &Self) -> bool {
        let mut others = other.tokens();
        self.tokens().all(|wanted| {
            let found = others.by_ref().map(|own| own.cmp(wanted)).find(|order| order.is_ge());
            found.is_some_and(Ordering::is_eq)
        })
    }

    /// What is left without the tokens of `other`.
    pub(crate) fn without(&self, other: &Self) -> Self {
        Self::of_sorted(self.iter().filter(|token| !other.contains(token)))
    }

    /// The tokens that are in one of both.
    pub(crate) fn union(&self, other: &Self) -> Self {
        if other.is_subset(self) {
            return self.clone();
        }
        Self::of_tokens(self.iter().chain(other.iter()).collect())
    }

    /// The tokens that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            return self.clone();
        }
        Self::of_sorted(self.iter().filter(|token| other.contains(token)))
    }

    /// Of tokens that are known to be some, in whatever order.
    pub(super) fn of_tokens(mut tokens: Vec<&str>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self::of_sorted(tokens.into_iter())
    }

    fn of_sorted<'a>(tokens: impl Iterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for token in tokens {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(token);
        }
        Self(text.into())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    /// Reads a scope as RFC 6749 A.4 writes it: tokens of `NQCHAR` with exactly one space between them. The empty string
    /// is refused; the empty scope is [`Scope::default`].
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let (mut count, mut last, mut is_sorted) = (0_usize, [].as_slice(), true);
        for token in text.as_bytes().split(|byte| *byte == b' ') {
            count = count.saturating_add(1);
            if token.is_empty() || !token.iter().copied().all(is_nqchar) || count > MAX_TOKENS {
                return Err(ScopeError(()));
            }
            is_sorted &= last < token;
            last = token;
        }
        // As most clients send it.
        if is_sorted {
            return Ok(Self(text.into()));
        }
        Ok(Self::of_tokens(text.split(' ').collect()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", &*self.0)
    }
}

/// A text that is no scope: a character outside RFC 6749 A.4, a space too many, or more than 100 tokens.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("a scope is one to 100 tokens of printable ASCII without quote or backslash, with single spaces between them")]
pub struct ScopeError(());

impl fmt::Debug for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn order_and_repeats_do_not_matter_but_case_does_sc_01() {
        assert_eq!(scope("write read"), scope("read write read"));
        assert_ne!(scope("Read"), scope("read"));
    }

    #[test]
    fn only_single_spaces_and_nqchar_are_accepted_sc_02_sc_03() {
        for bad in ["", " ", " read", "read ", "read  write", "re\"ad", "re\\ad", "re\tad", "réad", "re\u{7f}ad"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad:?}");
        }
        let many = vec!["x"; 101].join(" ");
        assert!(many.parse::<Scope>().is_err());
    }

    proptest! {
        #[test]
        fn intersection_is_the_largest_common_subset_sc_08(a in "[a-e]( [a-e]){0,6}", b in "[a-e]( [a-e]){0,6}") {
            let (a, b) = (scope(&a), scope(&b));
            let both = a.intersection(&b);
            prop_assert!(both.is_subset(&a) && both.is_subset(&b));
            for token in a.iter() {
                prop_assert_eq!(both.contains(token), b.contains(token));
            }
            prop_assert_eq!(a.is_subset(&b), a.iter().all(|token| b.contains(token)));
        }

        #[test]
        fn union_is_the_smallest_common_superset(a in "[a-e]( [a-e]){0,6}", b in "[a-e]( [a-e]){0,6}") {
            let (a, b) = (scope(&a), scope(&b));
            let both = a.union(&b);
            prop_assert!(a.is_subset(&both) && b.is_subset(&both));
            prop_assert!(both.iter().all(|token| a.contains(token) || b.contains(token)));
            prop_assert_eq!(scope(both.as_str()), both);
            prop_assert_eq!(a.union(&Scope::default()), a.clone());
            prop_assert_eq!(Scope::default().union(&a), a);
        }

        #[test]
        fn what_is_printed_reads_back_as_the_same_scope(text in "[!#-\\[\\]-~]{1,5}( [!#-\\[\\]-~]{1,5}){0,8}") {
            let once = scope(&text);
            prop_assert_eq!(scope(once.as_str()), once);
        }
    }
}
