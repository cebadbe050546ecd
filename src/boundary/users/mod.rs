//! The table of users, as far as a password needs it.

pub(crate) mod entry;
pub(crate) mod import;
pub(crate) mod insert;
pub(crate) mod login_name;
pub(crate) mod new_user;
pub(crate) mod status_columns;
pub(crate) mod store;
pub(crate) mod stored_user;
