//! The way of a code to its user.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::protocol::client::registered::ClientId;
use crate::protocol::factor::authenticator::{Channel, FactorUser};

/// A code for a user, or a question on another device.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Delivery<'a> {
    /// An identifier of this delivery: 22 characters of base64url, never used again. [`CodeDelivery::status`] gets it.
    pub id: &'a str,
    /// The user.
    pub user: FactorUser<'a>,
    /// The channel.
    pub channel: Channel,
    /// Where it goes: a telephone number in E.164, an e-mail address; for [`Channel::Push`] the identifier of the authenticator.
    pub contact: &'a str,
    /// The six digits; `None` for [`Channel::Push`], where the user only agrees.
    pub code: Option<&'a str>,
    /// The client that the user logs in to.
    pub client: &'a ClientId,
    /// The address that the login comes from, to be shown to the user.
    pub address: Option<IpAddr>,
    /// From when on the code or the answer is worth nothing.
    pub expires: SystemTime,
}

impl fmt::Debug for Delivery<'_> {
    /// Without code and contact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("channel", &self.channel).field("user", &self.user).finish_non_exhaustive()
    }
}

/// What the user has answered on another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryStatus {
    /// Nothing yet.
    Pending,
    /// The user agrees.
    Approved,
    /// The user refuses.
    Denied,
    /// The question is over, or was never asked.
    Expired,
}

/// Sends codes to users.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::mfa::{CodeDelivery, Delivery};
///
/// # struct Provider;
/// # impl Provider {
/// #     async fn send(&self, _: &str, _: &str) -> Result<(), std::io::Error> { Ok(()) }
/// # }
/// /// Text messages, over the client of a provider.
/// struct TextMessages(Provider);
///
/// #[async_trait]
/// impl CodeDelivery for TextMessages {
///     async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
///         let no_code = || BackendError::fault("a question, and no code");
///         let code = delivery.code.ok_or_else(no_code)?;
///         let text = format!("{code} logs you in at Example Bank. Tell it to nobody.");
///         let sent = self.0.send(delivery.contact, &text).await;
///         sent.map_err(BackendError::unavailable)
///     }
/// }
/// // Factors::new(store, keys).deliver(Channel::Sms, TextMessages(provider))
/// # let _ = TextMessages(Provider);
/// ```
///
/// The attribute `#[async_trait]` stands on the `impl`, too: without it the compiler finds that lifetimes don't match (E0195).
///
/// # Contract
/// [`deliver`](Self::deliver) is called once for each code, after the budgets of the authenticator and of the user were charged: one
/// in 30 seconds and five in an hour. It hands the code to the provider and does not wait for its arrival.
///
/// # Security
/// The code is a secret until it is used: don't log it. A message names the code and what it is for, and holds no link. The contact
/// was typed by the user at the enrolment: limit the countries that you send to.
///
/// # Cancellation
/// A dropped call may have sent the code. The charge stays.
///
/// # Errors
/// A [`BackendError`] answers 503. The charge stays: a provider that fails after it has sent would be paid for each try.
#[async_trait]
pub trait CodeDelivery: Send + Sync + 'static {
    /// Sends a code, or asks the user.
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError>;

    /// What the user has answered to the delivery with this identifier; for [`Channel::Push`] alone. Default: an error.
    async fn status(&self, id: &str) -> Result<DeliveryStatus, BackendError> {
        let _ = id;
        Err(BackendError::fault("this delivery has no answer to ask for"))
    }

    /// What an enrolment of [`Channel::Push`] shows as `barcode_uri`, for the device to read; `contact` is the identifier of the
    /// authenticator. Default: nothing.
    async fn enrolment_uri(&self, user: FactorUser<'_>, contact: &str) -> Result<Option<String>, BackendError> {
        let _ = (user, contact);
        Ok(None)
    }
}

#[async_trait]
impl<T: CodeDelivery + ?Sized> CodeDelivery for Arc<T> {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        (**self).deliver(delivery).await
    }

    async fn status(&self, id: &str) -> Result<DeliveryStatus, BackendError> {
        (**self).status(id).await
    }

    async fn enrolment_uri(&self, user: FactorUser<'_>, contact: &str) -> Result<Option<String>, BackendError> {
        (**self).enrolment_uri(user, contact).await
    }
}
