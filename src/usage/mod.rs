//! Which users still log in by password, so that the grant can end: a ledger of logins by client, user and day, and its report.
//!
//! [`UsageLedger`] is given to [`Builder::usage`](crate::Builder::usage). It keeps what it learns in a
//! [`UsageStore`](crate::store::UsageStore), and says in a [`UsageReport`] how many users log in by password and by nothing else, who
//! has moved, who has fallen back, and from which day on nothing lives any more that a password began. What these words mean is
//! decided in one place, [`Tally`], whatever the store.
//!
//! ```
//! # use std::time::Duration;
//! use tower_password_grant::store::MemoryUsage;
//! use tower_password_grant::usage::UsageLedger;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let usage = UsageLedger::new(MemoryUsage::new());
//! // PasswordGrant::builder().usage(usage.clone()) ...
//! println!("{}", usage.report(Duration::from_secs(30 * 86_400)).await?);
//! # Ok(()) }
//! ```

mod books;
mod ledger;
mod queue;
mod report;
mod seen;
mod task;
mod today;

pub use self::ledger::{Page, UsageLedger};
pub use self::report::UsageReport;
pub use crate::protocol::usage::day::{Day, DayRange};
pub use crate::protocol::usage::row::{ClientUser, LoginCount, Usage, UsageBatch, UsageRow};
pub use crate::protocol::usage::stayers::{PageKey, Stayer, StayersPage, StayersScan};
pub use crate::protocol::usage::tally::{ClientUsage, Tally, WayUsage};
pub use crate::protocol::usage::way::LoginWay;
