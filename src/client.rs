//! Clients: what they are registered with, and how they prove who they are (RFC 6749 section 2).
//!
//! A client is registered by a [`ClientBuilder`], which [`Client`](crate::Client) starts: its secret, scopes, grants, origins, and
//! the [`Sunset`] of its password logins. The endpoint finds it in a [`ClientRegistry`](crate::ClientRegistry); this module has the
//! trait for client authentication of your own.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_password_grant::client::Sunset;
//! use tower_password_grant::{Client, ClientSecret};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let in_half_a_year = SystemTime::now() + Duration::from_secs(183 * 86_400);
//! let secret = ClientSecret::generate()?;
//! let client = Client::confidential("old-app", &secret.digest())
//!     .sunset(Sunset::at(in_half_a_year))
//!     .build()?;
//! # let _ = client;
//! # Ok(())
//! # }
//! ```

pub use crate::boundary::auth_method::{AuthRequest, ClientAuthMethod};
pub use crate::boundary::exceptions::{SunsetExceptions, WhoIsOut};
pub use crate::boundary::registry::FindClientFn;
pub use crate::protocol::client::builder::ClientBuilder;
pub use crate::protocol::client::error::{ClientError, RegistrationError};
pub use crate::protocol::client::listed::RegisteredClient;
pub use crate::protocol::client::registered::ClientAuthentication;
pub use crate::protocol::client::sunset::end::Sunset;
pub use crate::protocol::client::sunset::steps::Brownout;
