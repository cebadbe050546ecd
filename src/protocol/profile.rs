//! The profiles: what an endpoint reads and says in another way than the standards have it.

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
}
