//! Failures: what a part says when it cannot do its work, and how much of a refusal clients see.
//!
//! A trait of this crate fails with a [`BackendError`](crate::BackendError), which is of a [`BackendErrorKind`]. Operations that your
//! own code calls fail with an [`OperationError`], or with a [`SettingError`] if a value is out of range, and everything that makes a
//! secret with a [`RandomnessError`]. `?` takes each of them on. An error of one purpose stands beside what it is about, such as
//! [`ClientError`](crate::client::ClientError). What an answer says of a refusal is fixed; [`Danger`] lets it say more.
//!
//! ```
//! use tower_password_grant::BackendError;
//! use tower_password_grant::error::BackendErrorKind;
//!
//! let down = BackendError::unavailable("the user table is down");
//! assert_eq!(down.kind(), BackendErrorKind::Unavailable);
//! ```

pub use crate::boundary::backend::{BackendErrorKind, OperationError};
pub use crate::boundary::setting::SettingError;
pub use crate::protocol::secret::secrets::RandomnessError;
pub use crate::service::Danger;
