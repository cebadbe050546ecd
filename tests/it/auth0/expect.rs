//! An endpoint in this profile, and what its refusals are as a whole.

use std::collections::BTreeMap;

use serde_json::json;
use tower_password_grant::mount::Profile;

use crate::support::{Answer, Fixture, FixtureBuilder};

/// The sentence of a lock.
pub const BLOCKED: &str = "Your account has been blocked after multiple consecutive login attempts. We've sent you a \
                           notification via your preferred contact method with instructions on how to unblock it.";
/// The challenge of the endpoint.
pub const BASIC: (&str, &str) = ("www-authenticate", "Basic realm=\"token endpoint\", charset=\"UTF-8\"");

/// An endpoint in this profile.
pub fn auth0(change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Fixture {
    Fixture::of(Profile::Auth0, change)
}

/// The whole of a refusal: status, JSON, and the headers, which are these beside those of every refusal.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, code: &str, sentence: &str, more: &[(&str, &str)]) {
    let json = json!({ "error": code, "error_description": sentence });
    assert_eq!((answer.status.as_u16(), answer.json()), (status, json));
    let mut expected = BTreeMap::from([
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
        ("pragma", "no-cache"),
        ("x-content-type-options", "nosniff"),
    ]);
    expected.extend(more.iter().copied());
    // What a server adds by itself.
    let own = answer.headers.iter().filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()));
    let headers: BTreeMap<_, _> = own.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(headers, expected, "{code} {sentence}");
}
