//! The profiles: what an endpoint reads and says in another way than the standards have it.

use std::sync::LazyLock;

use super::scope::Scope;
use super::wire::auth0::AUTH0;
use super::wire::faces::Table;
use super::wire::rfc6749::RFC_6749;

/// How the endpoint reads requests and words its refusals. Given to [`Builder::profile`](crate::Builder::profile).
///
/// A profile is a table of answers and a few rules of reading. It gives nobody more rights. Which reasons look
/// alike on the wire is the same in each.
///
/// ```
/// use tower_password_grant::PasswordGrant;
/// use tower_password_grant::mount::Profile;
///
/// let builder = PasswordGrant::builder().profile(Profile::Auth0);
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// The standards alone: RFC 6749 sections 4.3 and 5.2.
    #[default]
    Rfc6749,
    /// Statuses, codes and sentences of Auth0, so that its SDKs run unchanged.
    ///
    /// Scopes are read as these SDKs write them: each client may ask for `openid`, `profile`, `email` and `offline_access`, another
    /// scope that it is not registered for is left out instead of refused, and a login gets a refresh token only with
    /// `offline_access` (OpenID Connect Core section 11).
    Auth0,
}

impl Profile {
    /// What each refusal says.
    pub(crate) const fn table(self) -> Table {
        match self {
            Self::Rfc6749 => RFC_6749,
            Self::Auth0 => AUTH0,
        }
    }

    /// The request headers that pages of a listed origin may set (Fetch, `Access-Control-Allow-Headers`). Auth0's SDKs name
    /// themselves in one of their own.
    pub(crate) const fn page_headers(self) -> &'static str {
        match self {
            Self::Rfc6749 => "authorization, content-type, dpop, x-requested-with",
            Self::Auth0 => "auth0-client, authorization, content-type, dpop, x-requested-with",
        }
    }

    /// The scopes that every client may ask for, beside those that it is registered for.
    pub(crate) fn common_scopes(self) -> Option<&'static Scope> {
        static OF_OPENID_CONNECT: LazyLock<Scope> =
            LazyLock::new(|| "openid profile email offline_access".parse().unwrap_or_default());
        match self {
            Self::Rfc6749 => None,
            Self::Auth0 => Some(&OF_OPENID_CONNECT),
        }
    }

    /// Whether a scope that cannot be had is left out of what a request asks for, instead of refusing the request.
    pub(crate) const fn drops_scopes(self) -> bool {
        matches!(self, Self::Auth0)
    }

    /// The scope without which a login gets no refresh token (OpenID Connect Core section 11).
    pub(crate) const fn refresh_token_scope(self) -> Option<&'static str> {
        match self {
            Self::Rfc6749 => None,
            Self::Auth0 => Some("offline_access"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_scopes_are_common_in_the_profile_of_auth0_and_none_by_default() {
        let common = Profile::Auth0.common_scopes().map(Scope::as_str);
        assert_eq!(common, Some("email offline_access openid profile"));
        assert_eq!(Profile::default().common_scopes(), None);
    }
}
