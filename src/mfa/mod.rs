//! Second factors: no token while a factor is open.
//!
//! - `Factors`, with the feature `mfa`, says which factors there are, and is given to the builder.
//! - [`CodeDelivery`] is what you implement to send codes over a [`Channel`]; authenticator apps and recovery codes need none.
//! - [`When`] says of which users a second factor is demanded.
//! - [`FactorStore`](crate::store::FactorStore) keeps the authenticators of users.
//!
//! [The manual](crate::manual::second_factor) has the flow, the budgets, and what is left to an attacker.

#[cfg(feature = "mfa")]
mod factors;
#[cfg(feature = "mfa")]
mod otp;
#[cfg(all(test, feature = "mfa"))]
mod pyotp_tests;
#[cfg(feature = "mfa")]
mod sealing;
#[cfg(feature = "mfa")]
mod tools;

#[cfg(feature = "mfa")]
pub use self::factors::Factors;
pub use crate::boundary::factors::delivery::{CodeDelivery, Delivery, DeliveryStatus};
pub use crate::boundary::factors::second_factor::{SecondFactor, When};
pub use crate::protocol::factor::authenticator::{AuthenticatorKind, Channel, FactorUser};
