//! Grants of the application's own (RFC 6749 section 4.5).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use http::Extensions;

use super::account::AccountKey;
use super::backend::BackendError;
use super::host_extensions::HostExtensions;
use super::maybe::MaybeFuture;
use super::verifier::Verdict;
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;
use crate::protocol::wire::form::Form;

/// A request for an extension grant, after the client was authenticated and its grant and scope were allowed.
pub struct ExtensionRequest {
    pub(crate) form: Form,
    pub(crate) client: Client,
    pub(crate) realm: Realm,
    pub(crate) scope: Scope,
    pub(crate) address: Option<IpAddr>,
    pub(crate) extensions: HostExtensions,
}

impl ExtensionRequest {
    /// The first value of a form field, decoded once; secrets of the client are not shown.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.grant_field(name)
    }

    /// The authenticated client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The realm (separate user directory) of the request, if its client [lists some](crate::client::ClientBuilder::realms): the one
    /// that the field `realm` chooses among them, or the default. The account key counts in it, and a subject is of it.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The scope that was asked for, or the default; within what the client may have.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The address that the request comes from and is counted on: the peer's, from the source that the host configured;
    /// behind [trusted proxies](crate::PeerAddress::behind) the client's; the end user's if the client
    /// [may name it](crate::client::ClientBuilder::trust_end_user_address). IPv4 stands in its own form.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What the host's other layers put into the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }
}

impl fmt::Debug for ExtensionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtensionRequest").field("client", self.client.id()).finish_non_exhaustive()
    }
}

/// A grant type of the application's own (RFC 6749 section 4.5), behind the same client authentication, allow-lists,
/// budgets and issuer as the password grant.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
/// use tower_password_grant::user::AccountKey;
/// use tower_password_grant::{BackendError, Denial, MaybeFuture, Verdict};
///
/// struct ByTicket { /* where tickets are redeemed */ }
///
/// type Counted<'a> = Result<Option<AccountKey<'a>>, BackendError>;
///
/// #[async_trait]
/// impl ExtensionGrant for ByTicket {
///     fn grant_type(&self) -> &str {
///         "urn:example:ticket"
///     }
///
///     fn required_fields(&self) -> &[&str] {
///         &["ticket"]
///     }
///
///     fn account_key<'a>(
///         &'a self,
///         _: &'a ExtensionRequest,
///     ) -> MaybeFuture<'a, Counted<'a>> {
///         MaybeFuture::ready(Ok(None)) // a ticket of 128 random bits cannot be guessed
///     }
///
///     async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
///         # let _ = request;
///         // `Subject::new(..).into()` for a ticket that is good and unspent
///         Ok(Denial::WrongPassword.into())
///     }
/// }
/// ```
///
/// # Contract
/// A denial is a value. `Err` means "could not decide" and nothing else. In which ways the user was authenticated is said by
/// [`Verdict::with_methods`]: nothing is known of the grant but that, and where a second factor is demanded only two ways are one.
///
/// # Security
/// If the request carries something that can be guessed (a password, a short code), return the key of the account that it
/// would open from [`account_key`](Self::account_key): the attempt is then charged before [`exchange`](Self::exchange).
/// Without a key it is charged to the address alone, which may be denied 300 times by default and then once a minute, and
/// have as many under way at once; a denial stays charged, everything else comes back. That is no protection against a
/// botnet that guesses short codes.
///
/// # Cancellation
/// As for [`CredentialVerifier`](crate::CredentialVerifier): a dropped attempt stays charged.
///
/// # Errors
/// A [`BackendError`] gives the charge back and answers 503; that of the address only where the request names no account, or for
/// [overload](BackendError::overloaded).
#[async_trait]
pub trait ExtensionGrant: Send + Sync + 'static {
    /// The value of `grant_type`: an absolute URI.
    fn grant_type(&self) -> &str;

    /// Whether a user logs in by it with a password, as in a grant of your own with a realm. Then the client's
    /// [end date](crate::client::Sunset) holds for it as for the password grant, it is counted and hidden with that, and the verifier is
    /// [asked again](crate::CredentialVerifier::recheck) before its tokens are sent. Default: no.
    fn begins_password_login(&self) -> bool {
        false
    }

    /// The fields without which the request is `invalid_request`.
    fn required_fields(&self) -> &[&str];

    /// On which account's budget the request counts; `None` if it carries nothing that can be guessed, such as a signed
    /// assertion: then it counts on the budget of its address alone ([`Guess::NoAccount`](crate::limiter::Guess::NoAccount)). A grant
    /// that takes names of the same accounts as the password grant gives the same keys as its
    /// [verifier](crate::CredentialVerifier::account_key), or an account has two budgets.
    fn account_key<'a>(
        &'a self,
        request: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>>;

    /// Decides.
    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError>;
}

#[async_trait]
impl<G: ExtensionGrant + ?Sized> ExtensionGrant for Arc<G> {
    fn grant_type(&self) -> &str {
        (**self).grant_type()
    }

    fn begins_password_login(&self) -> bool {
        (**self).begins_password_login()
    }

    fn required_fields(&self) -> &[&str] {
        (**self).required_fields()
    }

    fn account_key<'a>(
        &'a self,
        request: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        (**self).account_key(request)
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        (**self).exchange(request).await
    }
}
