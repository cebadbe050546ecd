//! What a store of your own is written with.
//!
//! [`UserStore`] is the table of users, as far as a password needs it: two statements against a table that you have already.
//! The verifier of the feature `argon2` asks it, and `sqlite::SqliteStore` is one.

pub use crate::boundary::users::login_name::LoginName;
pub use crate::boundary::users::store::UserStore;
pub use crate::boundary::users::stored_user::{StoredUser, UserStatus};
