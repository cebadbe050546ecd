//! Second factors: no token while a factor is open.
//!
//! - [`CodeDelivery`] is what you implement to send codes over a [`Channel`]; authenticator apps and recovery codes need none.
//! - [`When`] says of which users a second factor is demanded.
//! - [`FactorStore`](crate::store::FactorStore) keeps the authenticators of users.

pub use crate::boundary::factors::delivery::{CodeDelivery, Delivery, DeliveryStatus};
pub use crate::boundary::factors::second_factor::{SecondFactor, When};
pub use crate::protocol::factor::authenticator::{AuthenticatorKind, Channel, FactorUser};
