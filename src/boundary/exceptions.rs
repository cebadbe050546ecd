//! Users who may still log in, though the end of their client has reached them.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::backend::BackendError;
use super::maybe::Answering;
use crate::protocol::client::registered::ClientId;

/// A user who has been reached by the ramp or the end of a client.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WhoIsOut<'a> {
    /// The client.
    pub client: &'a ClientId,
    /// The realm (separate user directory) of the login, if it has one.
    pub realm: Option<&'a str>,
    /// The subject's identifier, as the verifier gave it.
    pub subject: &'a str,
}

/// Says which users are excepted from the end of a client, beside those in its registration
/// ([`Sunset::except`](crate::client::Sunset::except)): for more than 100 of them, or for a table that support staff can change. Given
/// to [`Builder::sunset_exceptions`](crate::Builder::sunset_exceptions).
///
/// ```
/// use std::collections::HashMap;
/// use std::time::SystemTime;
///
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::client::{SunsetExceptions, WhoIsOut};
///
/// /// A table with the columns client, subject and until.
/// struct Exceptions(HashMap<(String, String), SystemTime>);
///
/// #[async_trait]
/// impl SunsetExceptions for Exceptions {
///     async fn excepted_until(
///         &self,
///         user: WhoIsOut<'_>,
///     ) -> Result<Option<SystemTime>, BackendError> {
///         // SELECT until FROM exceptions WHERE client = $1 AND subject = $2
///         let key = (user.client.to_string(), user.subject.to_owned());
///         Ok(self.0.get(&key).copied())
///     }
/// }
/// # let exceptions = Exceptions(HashMap::new());
/// # let builder = tower_password_grant::PasswordGrant::builder().sunset_exceptions(exceptions);
/// # let _ = builder;
/// ```
///
/// # Contract
/// - It is asked only where the client's plan [says so](crate::client::Sunset::look_up_exceptions), once for each login whose
///   credentials were found right and that ramp or end would refuse: never for a wrong password. Nothing else is asked of such a
///   login before: no shield, no rule, no second factor.
/// - A login that is finished by a second factor is asked about again.
/// - An exception that is over is none. The date is held against the endpoint's clock.
///
/// # Security
/// The answer decides on logins after the end: protect the table like the registrations of clients. Give each exception a date: one
/// without end is how this grant stays.
///
/// # Cancellation
/// The future is dropped when the client hangs up, and when its time is over
/// ([`RequestLimits`](crate::mount::RequestLimits)): then the answer is 503. The attempt stays charged if the client hung up.
///
/// # Errors
/// A [`BackendError`] answers 503 (500 for a fault), and all charges of the attempt go back: its password was right. A panic answers
/// 500, and the attempt stays charged.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `SunsetExceptions`",
    note = "implement the trait with `#[async_trait]`; a trait object goes in an `Arc`"
)]
pub trait SunsetExceptions: Send + Sync + 'static {
    /// Until when this user is excepted; `None` for one who is not.
    async fn excepted_until(&self, user: WhoIsOut<'_>) -> Result<Option<SystemTime>, BackendError>;
}

impl<E: SunsetExceptions + ?Sized> SunsetExceptions for Arc<E> {
    fn excepted_until<'s, 'u, 'f>(&'s self, user: WhoIsOut<'u>) -> Answering<'f, Option<SystemTime>>
    where
        's: 'f,
        'u: 'f,
        Self: 'f,
    {
        (**self).excepted_until(user)
    }
}
