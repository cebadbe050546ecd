//! The profiles: what an endpoint reads and says in another way than the standards have it.

use std::sync::LazyLock;

use super::scope::Scope;
use super::wire::auth0::AUTH0;
use super::wire::faces::Table;
use super::wire::media_type::BodyFormats;
use super::wire::rfc6749::RFC_6749;

/// The scope that asks for a refresh token (OpenID Connect Core section 11).
const OFFLINE_ACCESS: &str = "offline_access";

/// How the endpoint reads requests and words its refusals. Given to [`Builder::profile`](crate::Builder::profile).
///
/// A profile is a table of answers and a few named rules of reading. It gives no user more rights. Why a user is denied is never told
/// apart: there is one answer for it, in each profile, with one exception: [`Auth0`](Self::Auth0) says aloud what a
/// [login rule](crate::rules) denies. Other reasons share an answer in one profile and not in the other.
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
    /// Statuses, codes and sentences of Auth0, so that its SDKs run unchanged. See [errors](crate::manual::errors).
    ///
    /// [JSON bodies](crate::manual::errors#json-bodies) are read beside forms.
    ///
    /// Scopes are read as these SDKs write them: each client may ask for `openid`, `profile`, `email` and `offline_access`, another
    /// scope that it is not registered for is left out instead of refused, and a login gets a refresh token only with
    /// `offline_access` (OpenID Connect Core section 11). The parameter `audience` says which API the tokens are for, of those that
    /// the client [may name](crate::client::ClientBuilder::allow_audience).
    ///
    /// A 401 has a `WWW-Authenticate` header only if the client's own `Authorization` header failed, which departs from RFC 9110
    /// section 15.5.2: the SDKs read no code from an answer with a challenge.
    ///
    /// # Security
    /// Each client may ask for the four scopes of OpenID Connect without registration, among them `openid`, which asks for an ID
    /// token, and `offline_access`. The endpoint's ceiling, the verifier and login rules bound them as any other scope. Where no client
    /// may have one of them, leave it out of [`scope_ceiling`](crate::Builder::scope_ceiling).
    ///
    /// A login rule's denial is answered 403 `access_denied` with its reason, as
    /// [`reveal_custom_denials`](crate::error::Danger::reveal_custom_denials) does. A rule is asked only after the right password,
    /// so its reason shows that the password is right.
    Auth0,
}

impl Profile {
    #[cfg(test)]
    const ALL: [Self; 2] = [Self::Rfc6749, Self::Auth0];

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
            LazyLock::new(|| Scope::of_tokens(vec!["openid", "profile", "email", OFFLINE_ACCESS]));
        match self {
            Self::Rfc6749 => None,
            Self::Auth0 => Some(&OF_OPENID_CONNECT),
        }
    }

    /// Whether a scope that cannot be had is left out of what a request asks for, instead of refusing the request.
    pub(crate) const fn drops_scopes(self) -> bool {
        match self {
            Self::Rfc6749 => false,
            Self::Auth0 => true,
        }
    }

    /// Whether a login may ask for the audience of its tokens.
    pub(crate) const fn reads_audience(self) -> bool {
        match self {
            Self::Rfc6749 => false,
            Self::Auth0 => true,
        }
    }

    /// The scope without which a login gets no refresh token.
    pub(crate) const fn refresh_token_scope(self) -> Option<&'static str> {
        match self {
            Self::Rfc6749 => None,
            Self::Auth0 => Some(OFFLINE_ACCESS),
        }
    }

    /// How bodies may write their parameters.
    pub(crate) const fn body_formats(self) -> BodyFormats {
        match self {
            Self::Rfc6749 => BodyFormats::Form,
            Self::Auth0 => BodyFormats::FormAndJson,
        }
    }

    /// Whether a login rule's denial is said aloud, with its reason, and not as a wrong password.
    pub(crate) const fn reveals_denials_of_rules(self) -> bool {
        match self {
            Self::Rfc6749 => false,
            Self::Auth0 => true,
        }
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
