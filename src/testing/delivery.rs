//! Deliveries without a login.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::boundary::factors::delivery::Delivery;
use crate::protocol::client::registered::ClientId;
use crate::protocol::factor::authenticator::{Channel, FactorUser};

/// How long a code is good if the test says nothing else, as at the endpoint.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A delivery as the endpoint would give it to a [`CodeDelivery`](crate::mfa::CodeDelivery): of the code `123456`, or of a question
/// for [`Channel::Push`], to the user `user-1` of no realm at the client `test`, good for 5 minutes, unless you say otherwise.
/// `contact`: a telephone number in E.164, an e-mail address, or the identifier of the authenticator.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::mfa::{Channel, CodeDelivery, Delivery};
/// use tower_password_grant::testing::delivery;
///
/// struct Texts;
///
/// #[async_trait]
/// impl CodeDelivery for Texts {
///     async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
///         if !delivery.contact.starts_with("+49") {
///             return Err(BackendError::fault("a country that nothing is sent to"));
///         }
///         // Here the code goes to the provider.
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let here = delivery(Channel::Sms, "+4915112345678");
/// assert!(Texts.deliver(here.lend()).await.is_ok());
/// let abroad = delivery(Channel::Sms, "+15550001234").subject("user-2");
/// assert!(Texts.deliver(abroad.lend()).await.is_err());
/// # }
/// ```
pub fn delivery(channel: Channel, contact: &str) -> DeliveryBuilder {
    DeliveryBuilder {
        id: "test-delivery-00000001".to_owned(),
        realm: None,
        subject: "user-1".to_owned(),
        channel,
        contact: contact.to_owned(),
        code: (channel != Channel::Push).then(|| "123456".to_owned()),
        client: ClientId("test".into()),
        address: None,
        expires: None,
    }
}

/// Puts a [`Delivery`] together; see [`delivery`].
#[must_use]
pub struct DeliveryBuilder {
    id: String,
    realm: Option<String>,
    subject: String,
    channel: Channel,
    contact: String,
    code: Option<String>,
    client: ClientId,
    address: Option<IpAddr>,
    expires: Option<SystemTime>,
}

impl fmt::Debug for DeliveryBuilder {
    /// Without code and contact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.lend(), f)
    }
}

impl DeliveryBuilder {
    /// The identifier, of which the endpoint gives none twice. Default: `test-delivery-00000001`.
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// The realm of the user. Default: none.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// The subject's identifier. Default: `user-1`.
    pub fn subject(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// The code that is sent. Default: `123456`; none for [`Channel::Push`].
    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// The client that the user logs in to. Default: `test`.
    pub fn client(mut self, client: ClientId) -> Self {
        self.client = client;
        self
    }

    /// The address that the login comes from. Default: unknown.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// From when on the code is worth nothing. Default: in 5 minutes.
    pub const fn expires(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The delivery, which borrows what it names.
    #[must_use]
    pub fn lend(&self) -> Delivery<'_> {
        let Self { id, realm, subject, channel, contact, code, client, address, expires } = self;
        let now = SystemTime::now();
        Delivery {
            id,
            user: FactorUser::new(realm.as_deref(), subject),
            channel: *channel,
            contact,
            code: code.as_deref(),
            client,
            address: *address,
            expires: expires.unwrap_or_else(|| now.checked_add(LIFETIME).unwrap_or(now)),
        }
    }
}
