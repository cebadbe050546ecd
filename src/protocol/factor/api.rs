//! The endpoints of second factors as an API of their own: its audience and its scopes.

use std::sync::LazyLock;

use crate::protocol::audience::Audience;
use crate::protocol::scope::Scope;

/// To enrol an authenticator.
pub(crate) const ENROLL: &str = "enroll";
/// To list authenticators.
pub(crate) const READ: &str = "read:authenticators";
/// To remove one.
pub(crate) const REMOVE: &str = "remove:authenticators";

/// All scopes of the API. A client needs no registration for them.
pub(crate) fn scopes() -> &'static Scope {
    static SCOPES: LazyLock<Scope> = LazyLock::new(|| Scope::of_tokens(vec![ENROLL, READ, REMOVE]));
    &SCOPES
}

/// The audience of the API at this issuer.
pub(crate) fn audience(issuer: &str) -> Option<Audience> {
    Audience::new(&format!("{}/mfa/", issuer.strip_suffix('/').unwrap_or(issuer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_stands_below_the_issuer_with_or_without_its_slash() {
        for (issuer, name) in [
            ("https://as.example", "https://as.example/mfa/"),
            ("https://as.example/", "https://as.example/mfa/"),
            ("https://as.example/tenant", "https://as.example/tenant/mfa/"),
        ] {
            assert_eq!(audience(issuer).unwrap().as_str(), name);
        }
    }
}
