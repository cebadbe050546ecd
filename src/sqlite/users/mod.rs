//! Users with their password hashes.

mod list;
mod new_user;
mod statements;
mod store;

pub use list::UserEntry;
pub use new_user::NewUser;
pub(super) use statements::statements;
