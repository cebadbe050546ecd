//! Grant types: how they are called, and what a request of one begins.

use std::sync::Arc;

use super::registered::{PASSWORD, PASSWORD_REALM, REFRESH_TOKEN};

/// A grant type that an endpoint serves. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct GrantType(Arc<Named>);

#[derive(Debug)]
struct Named {
    name: Box<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Password,
    PasswordInRealm,
    Refresh,
    Extension { begins_password_login: bool },
}

impl GrantType {
    /// RFC 6749 section 4.3.
    pub(crate) fn password() -> Self {
        Self::new(PASSWORD, Kind::Password)
    }

    /// The same in a realm that the request names.
    pub(crate) fn password_in_realm() -> Self {
        Self::new(PASSWORD_REALM, Kind::PasswordInRealm)
    }

    /// RFC 6749 section 6. It begins nothing: a login goes on, however it began.
    pub(crate) fn refresh() -> Self {
        Self::new(REFRESH_TOKEN, Kind::Refresh)
    }

    /// RFC 6749 section 4.5.
    pub(crate) fn extension(name: &str, begins_password_login: bool) -> Self {
        Self::new(name, Kind::Extension { begins_password_login })
    }

    fn new(name: &str, kind: Kind) -> Self {
        Self(Arc::new(Named { name: name.into(), kind }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether a user logs in by it with a password: for some clients this is to end one day, and what a password opened must
    /// not outlast that password.
    pub(crate) fn begins_password_login(&self) -> bool {
        match self.0.kind {
            Kind::Password | Kind::PasswordInRealm => true,
            Kind::Refresh => false,
            Kind::Extension { begins_password_login } => begins_password_login,
        }
    }

    /// Whether its request holds the user's password. Nothing is known of the parameters of an extension.
    pub(crate) fn has_password(&self) -> bool {
        matches!(self.0.kind, Kind::Password | Kind::PasswordInRealm)
    }

    /// Whether a login goes on by it.
    pub(crate) fn is_refresh(&self) -> bool {
        matches!(self.0.kind, Kind::Refresh)
    }

    /// Whether its request must name a realm.
    pub(crate) fn names_realm(&self) -> bool {
        matches!(self.0.kind, Kind::PasswordInRealm)
    }
}

/// Whether a login begins by the grant type of this name, whatever serves it.
pub(crate) fn begins_login(name: &str) -> bool {
    name != REFRESH_TOKEN
}

/// Whether only an extension can serve the grant type of this name.
pub(crate) fn is_of_extension(name: &str) -> bool {
    ![PASSWORD, PASSWORD_REALM, REFRESH_TOKEN].contains(&name)
}
