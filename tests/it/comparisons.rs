//! How secrets are compared: in constant time wherever they are, which the sources show, and with the same work for a client
//! that nobody knows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Checked, Guess, MemoryLimiter, Reservation, Reserved, SecretCheck,
    Settlement,
};
use tower_password_grant::store::SecretDigest;
use tower_password_grant::token::Token;
use tower_password_grant::{BackendError, ClientSecret, Password};

use crate::support::protection::counted_by;
use crate::support::sources::{self, library};
use crate::support::{Fixture, PW, basic};

/// Does not compile for a type that can be compared by `==`: then there are two of these methods.
macro_rules! assert_has_no_equality {
    ($($name:ty),+) => {$(
        const _: fn() = || {
            trait Ambiguous<A> {
                fn method() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + PartialEq> Ambiguous<u8> for T {}
            let _ = <$name as Ambiguous<_>>::method;
        };
    )+};
}

assert_has_no_equality!(SecretDigest, Password, Token, ClientSecret);

/// Each source file with its code on one line, with single spaces.
fn code() -> Vec<(String, String)> {
    let flat = |text: &str| sources::code(text).split_whitespace().collect::<Vec<_>>().join(" ");
    library().into_iter().map(|(path, text)| (path, flat(&text))).collect()
}

/// What stands on both sides of each comparison, up to where another expression begins.
fn comparisons(code: &str) -> Vec<(String, String)> {
    let ends = |c: char| matches!(c, ';' | '{' | '}' | ',' | '|' | '&');
    let mut found = Vec::new();
    for operator in [" == ", " != ", ".eq(", ".ne(", ".cmp(", "memcmp(", ".starts_with("] {
        for (at, _) in code.match_indices(operator) {
            let (before, after) = (&code[..at], &code[at + operator.len()..]);
            let left = before.rsplit(ends).find(|part| !part.trim().is_empty()).unwrap_or_default();
            let right = after.trim_start_matches(['&', '*', ' ']).split(ends).next().unwrap_or_default();
            found.push((left.trim().to_owned(), right.trim().to_owned()));
        }
    }
    found
}

/// Words that stand for a secret, or for the bytes of one.
const SECRETS: [&str; 16] = [
    ".as_bytes()",
    ".expose()",
    ".finalize()",
    "Sha256::",
    "SecretDigest::",
    "digest",
    "password",
    "secret",
    "salt",
    "token",
    "presented",
    "successor",
    "predecessor",
    "live",
    "expected",
    "fingerprint",
];

/// Comparisons that name such a word and compare no secret: the file, the left side and the right one.
const HARMLESS: [(&str, &str, &str); 7] = [
    ("bearer/cache.rs", "is_empty: tokens", "0"),
    ("protocol/client/builder.rs", "if has_secret", "needs_secret"),
    // Names of keys, not keys.
    ("argon2/argon2_hash.rs", "self.params.keyid()", "keys.map(SecretKeys::current_id).unwrap_or_default().as_bytes()"),
    // Names of form fields, not what stands in them.
    (
        "protocol/wire/texts.rs",
        "self.buffer.as_bytes().get(span.start as usize..span.end as usize)",
        "Some(text.as_bytes())",
    ),
    // In which way a login went.
    ("protocol/client/policy.rs", "began_by_password(grant)", "by_password)"),
    ("protocol/usage/row.rs", "self.is_by_password", "other.is_by_password"),
    // Of suites for tests.
    ("testing/contract/refresh.rs", "salts[0]", "Some(*salt))"),
];

/// A comparison of lengths, which anybody who sees the request knows, or with what stands in the sources.
fn is_harmless((left, right): &(String, String)) -> bool {
    let is_length = |side: &str| side.ends_with(".len()") || side.ends_with("LENGTH");
    is_length(left) || is_length(right) || is_in_the_sources(right)
}

/// A constant or the variant of an enum: what stands in the sources is no secret.
fn is_in_the_sources(side: &str) -> bool {
    let name = side.split([' ', ')']).next().unwrap_or_default();
    let last = name.rsplit("::").next().unwrap_or_default();
    let is_word = last.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_constant = last.len() > 1 && last.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let is_variant = name.contains("::") && last.starts_with(|c: char| c.is_ascii_uppercase());
    is_word && (is_constant || is_variant)
}

#[test]
fn no_source_compares_a_secret_or_a_digest_but_in_constant_time_ca_13() {
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    let mut seen = 0;
    for (path, code) in code() {
        for pair in comparisons(&code) {
            seen += 1;
            let sides = format!("{} {}", pair.0, pair.1).to_lowercase();
            let names_a_secret = SECRETS.iter().any(|word| sides.contains(&word.to_lowercase()));
            if !names_a_secret || is_harmless(&pair) {
                continue;
            }
            match HARMLESS.iter().find(|listed| **listed == (path.as_str(), &pair.0, &pair.1)) {
                Some(listed) => _ = needed.insert(listed),
                None => wrong.push(format!("{path}: `{}` and `{}`", pair.0, pair.1)),
            }
        }
    }
    assert!(seen > 300, "{seen}");
    assert!(wrong.is_empty(), "compared in variable time:\n{}", wrong.join("\n"));
    // A line that nothing needs would let the next fault pass.
    assert_eq!(needed, HARMLESS.iter().collect());
}

/// The files that take the bytes of a digest out of it, and what for. As the key of a look-up a digest may be compared in
/// variable time: what the time tells are bits of the digest of a token of 256 random bits, from which nobody makes a token.
const TAKE_BYTES: [(&str, &str); 18] = [
    ("bearer/recent.rs", "key of a map"),
    ("boundary/users/stored_user.rs", "part of a credential version"),
    ("memory/access.rs", "key of a map"),
    ("memory/once.rs", "key of a map"),
    ("postgres/access.rs", "column of an index"),
    ("postgres/factors.rs", "part of a row"),
    ("postgres/once.rs", "column of an index"),
    ("protocol/client/members.rs", "part of a registration's text"),
    ("protocol/secret/secrets.rs", "the accessor itself"),
    ("protocol/token/credentials.rs", "claim of a token that only we read"),
    ("protocol/token/holder.rs", "key of rows"),
    ("protocol/token/lineage.rs", "part of a record"),
    ("protocol/token/refresh_token.rs", "the check of a token, which is compared in constant time"),
    ("redis/access.rs", "member of a set"),
    ("redis/keys.rs", "part of a key"),
    ("sqlite/access.rs", "column of an index"),
    ("sqlite/factors.rs", "column of an index"),
    ("sqlite/once.rs", "column of an index"),
];

#[test]
fn the_bytes_of_digests_are_taken_only_to_store_and_to_find_them() {
    let mut taking: Vec<String> = code()
        .into_iter()
        .filter(|(_, code)| code.contains("SecretDigest") && code.contains(".as_bytes()"))
        .map(|(path, _)| path)
        .filter(|path| !NO_DIGESTS.contains(&path.as_str()))
        .collect();
    let allowed: Vec<&str> = TAKE_BYTES.iter().map(|(path, _)| *path).collect();
    taking.sort();
    assert_eq!(taking, allowed);
}

/// The same words for other bytes: of a header, of a family's identifier, and of codes before there is a digest of them.
const NO_DIGESTS: [&str; 4] = [
    "protocol/client/credentials.rs",
    "protocol/factor/challenge.rs",
    "protocol/factor/recovery.rs",
    "testing/contract/refresh.rs",
];

#[test]
fn equality_of_digests_is_that_of_constant_time_and_nothing_stands_before_it() {
    let code = |wanted: &str| code().into_iter().find(|(path, _)| path == wanted).unwrap().1;
    let secrets = code("protocol/secret/secrets.rs");
    for piece in [
        "pub(crate) fn ct_eq(&self, other: &Self) -> Choice {",
        "words(self).ct_eq(&words(other)) }",
        "pub(crate) fn is(&self, other: &Self) -> bool { self.ct_eq(other).into() }",
    ] {
        assert!(secrets.contains(piece), "{piece}");
    }
    let compare = "pub(crate) fn compare(self) -> bool { self.compare_by(SecretDigest::of, SecretDigest::ct_eq) }";
    assert!(code("protocol/client/credentials.rs").contains(compare));
}

/// Counts how often the real limiter is asked to compare, and for which client.
#[derive(Clone, Default)]
struct Asked {
    limiter: Arc<MemoryLimiter>,
    checks: Arc<AtomicUsize>,
}

impl AttemptLimiter for Asked {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        self.limiter.reserve(key)
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        self.limiter.settle(reservation, settlement)
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        assert!(matches!(key.guess, Guess::Client { .. }));
        self.checks.fetch_add(1, SeqCst);
        self.limiter.check(key, check)
    }
}

#[tokio::test]
async fn a_secret_is_compared_for_an_unknown_client_as_for_a_known_one_ca_13() {
    let asked = Asked::default();
    let limiter = asked.clone();
    let fixture = Fixture::with(|builder| builder.attack_protection(counted_by(limiter)));
    let mut checks = 0;
    // Known, unknown, public, of another method, and each in the header and in the body.
    for id in ["conf", "nobody", "pub", "pkjwt"] {
        let header = basic(id, "wrong");
        fixture.token(&[("authorization", &header)], PW).await.assert_error(401, "invalid_client");
        let body = format!("{PW}&client_id={id}&client_secret=wrong");
        fixture.token(&[], &body).await.assert_error(400, "invalid_client");
        checks += 2;
        assert_eq!(asked.checks.load(SeqCst), checks, "{id}");
    }
    assert_eq!(fixture.probe.calls(), 0);
}
