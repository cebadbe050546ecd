//! Client authentication of the application's own (RFC 6749 section 2.3.2).

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};

use super::backend::BackendError;
use crate::protocol::client::registered::Client;
use crate::protocol::wire::form::Form;

/// What an authentication method may look at: the head of the request, and the form fields that the endpoint does not
/// know itself.
pub struct AuthRequest<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) extensions: &'a http::Extensions,
    pub(crate) form: &'a Form,
    /// Fields that prove a user, and are not shown.
    pub(crate) hidden: &'a [&'a str],
}

impl AuthRequest<'_> {
    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// What the host's other layers put into the request, such as the certificate of the TLS client.
    #[must_use]
    pub fn extensions(&self) -> &http::Extensions {
        self.extensions
    }

    /// The first value of a form field, for example `client_assertion`. User name, password and client secret are not
    /// shown, nor, at an endpoint with second factors, what proves one: `otp`, `oob_code`, `binding_code`, `recovery_code` and
    /// `mfa_token`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.visible(name, self.hidden)
    }
}

impl std::fmt::Debug for AuthRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthRequest")
    }
}

/// A way of client authentication that the endpoint does not know itself. "The authorization server MAY support any
/// suitable authentication scheme matching its security requirements" (RFC 6749 section 2.3.2).
///
/// ```
/// use async_trait::async_trait;
/// use http::HeaderValue;
/// use tower_password_grant::client::{AuthRequest, ClientAuthMethod};
/// use tower_password_grant::{BackendError, Client};
///
/// struct ByTicket { /* where tickets are checked */ }
///
/// #[async_trait]
/// impl ClientAuthMethod for ByTicket {
///     fn name(&self) -> &str {
///         "ticket"
///     }
///
///     fn challenge(&self) -> HeaderValue {
///         HeaderValue::from_static("Ticket realm=\"token endpoint\"")
///     }
///
///     fn claim(&self, request: &AuthRequest<'_>) -> Option<String> {
///         let (client_id, _) = request.field("ticket")?.split_once(':')?;
///         Some(client_id.to_owned())
///     }
///
///     async fn verify(
///         &self,
///         client: &Client,
///         request: &AuthRequest<'_>,
///     ) -> Result<bool, BackendError> {
///         # let _ = (client, request); return Ok(false);
///         // Compare in constant time.
///     }
/// }
/// ```
///
/// # Contract
/// [`claim`](Self::claim) maps a credential to exactly one client id, without verifying anything. The endpoint then looks
/// the client up, checks that it is [registered for this method](Client::with_method), charges the attempt, and only
/// then asks [`verify`](Self::verify).
///
/// # Security
/// `verify` is not called for unknown clients; where that shows in the time, do dummy work in `claim`.
///
/// # Cancellation
/// The future is dropped when the client hangs up or [its deadline](crate::mount::RequestLimits::store_deadline) passes; the
/// attempt stays charged. So bound calls of your own below that deadline and answer an `Err`, which gives the charge back:
/// otherwise a dependency that hangs locks its clients.
///
/// # Errors
/// `Ok(false)` is a failed authentication (401 with [`challenge`](Self::challenge)); a [`BackendError`] is 503.
#[async_trait]
pub trait ClientAuthMethod: Send + Sync + 'static {
    /// The name that clients are registered for, such as `tls_client_auth`.
    fn name(&self) -> &str;

    /// The value of `WWW-Authenticate` when this method fails, such as `X realm="api"`.
    fn challenge(&self) -> HeaderValue;

    /// The client id that the request's credential belongs to; `None` if it has no credential of this method.
    fn claim(&self, request: &AuthRequest<'_>) -> Option<String>;

    /// Whether the credential proves `client`.
    async fn verify(&self, client: &Client, request: &AuthRequest<'_>) -> Result<bool, BackendError>;
}

#[async_trait]
impl<M: ClientAuthMethod + ?Sized> ClientAuthMethod for Arc<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn challenge(&self) -> HeaderValue {
        (**self).challenge()
    }

    fn claim(&self, request: &AuthRequest<'_>) -> Option<String> {
        (**self).claim(request)
    }

    async fn verify(&self, client: &Client, request: &AuthRequest<'_>) -> Result<bool, BackendError> {
        (**self).verify(client, request).await
    }
}
