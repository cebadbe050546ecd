//! Resource owners: the forms of their names and passwords, and what is known of them once they are authenticated.

pub(crate) mod nobody;
#[cfg(feature = "opaque-string")]
mod opaque_string;
pub(crate) mod preparation;
pub(crate) mod spelling;
pub(crate) mod subject;
mod subject_id;
