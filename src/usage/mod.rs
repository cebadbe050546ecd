//! Who still logs in by password, so that the grant can end: the values of a usage ledger, by client, user and day.
//!
//! [`UsageStore`](crate::store::UsageStore) keeps them. What a report says of them is decided in one place, [`Tally`], whatever the
//! store.
//!
//! ```
//! use tower_password_grant::usage::LoginWay;
//!
//! assert_eq!(LoginWay::SecondFactor.as_str(), "second_factor");
//! ```

pub use crate::protocol::usage::day::{Day, DayRange};
pub use crate::protocol::usage::row::{ClientUser, LoginCount, Usage, UsageBatch, UsageRow};
pub use crate::protocol::usage::stayers::{PageKey, Stayer, StayersPage, StayersScan};
pub use crate::protocol::usage::tally::{ClientUsage, Tally, WayUsage};
pub use crate::protocol::usage::way::LoginWay;
