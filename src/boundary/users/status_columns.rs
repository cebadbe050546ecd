//! The status of a user as a database keeps it.

use super::stored_user::UserStatus;
use crate::protocol::wire::host_code::HostCode;

/// A name, and code and description of a status of the application's own.
pub(crate) type StatusColumns<'a> = (&'static str, Option<&'a str>, Option<&'a str>);

impl UserStatus {
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn to_columns(&self) -> StatusColumns<'_> {
        match self {
            Self::Active => ("active", None, None),
            Self::Disabled => ("disabled", None, None),
            Self::Locked => ("locked", None, None),
            Self::PasswordExpired => ("password_expired", None, None),
            Self::Unverified => ("unverified", None, None),
            Self::Denied(code) => ("denied", Some(code.code.as_str()), Some(code.description.as_str())),
        }
    }

    /// The status of these columns; `None` if no status is written so.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn from_columns(name: &str, code: Option<String>, description: Option<String>) -> Option<Self> {
        Some(match name {
            "active" => Self::Active,
            "disabled" => Self::Disabled,
            "locked" => Self::Locked,
            "password_expired" => Self::PasswordExpired,
            "unverified" => Self::Unverified,
            "denied" => Self::Denied(HostCode::new(code?, description?).ok()?),
            _ => return None,
        })
    }
}
