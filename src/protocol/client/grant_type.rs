//! Grant types: how they are called, and what a request of one begins.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::registered::{MFA_OOB, MFA_OTP, MFA_RECOVERY_CODE, PASSWORD, PASSWORD_REALM, REFRESH_TOKEN, SECOND_FACTOR};
use crate::protocol::token::methods::{AuthenticationMethod, AuthenticationMethods};
use crate::protocol::usage::way::LoginWay;

/// A grant type that an endpoint serves. One word wide and copied for nothing, because each request holds several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrantType(&'static Named);

#[derive(Debug)]
struct Named {
    name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Password,
    PasswordInRealm,
    Refresh,
    SecondFactor,
    Extension { begins_password_login: bool },
}

/// The grant type of an extension, and the one that was made after it.
struct Made {
    named: Named,
    next: OnceLock<Box<Made>>,
}

/// Those of extensions. Each stays for good, so none is made twice: a program that builds its endpoint again and again holds no more
/// of them.
static EXTENSIONS: OnceLock<Box<Made>> = OnceLock::new();

impl GrantType {
    /// RFC 6749 section 4.3.
    pub(crate) const PASSWORD: Self = Self(&Named { name: PASSWORD, kind: Kind::Password });

    /// The same in a realm that the request names.
    pub(crate) const PASSWORD_IN_REALM: Self = Self(&Named { name: PASSWORD_REALM, kind: Kind::PasswordInRealm });

    /// RFC 6749 section 6. It begins nothing: a login goes on, however it began.
    pub(crate) const REFRESH: Self = Self(&Named { name: REFRESH_TOKEN, kind: Kind::Refresh });

    /// A login is finished by a code of an authenticator app.
    pub(crate) const MFA_OTP: Self = Self(&Named { name: MFA_OTP, kind: Kind::SecondFactor });

    /// The same on another way.
    pub(crate) const MFA_OOB: Self = Self(&Named { name: MFA_OOB, kind: Kind::SecondFactor });

    /// The same by a recovery code.
    pub(crate) const MFA_RECOVERY_CODE: Self = Self(&Named { name: MFA_RECOVERY_CODE, kind: Kind::SecondFactor });

    /// RFC 6749 section 4.5.
    pub(crate) fn extension(name: &str, begins_password_login: bool) -> Self {
        let kind = Kind::Extension { begins_password_login };
        let new = || Named { name: Box::leak(Box::from(name)), kind };
        let mut place = &EXTENSIONS;
        loop {
            // At the end of the list this one is added.
            let made = place.get_or_init(|| Box::new(Made { named: new(), next: OnceLock::new() }));
            if made.named.name == name && made.named.kind == kind {
                return Self(&made.named);
            }
            place = &made.next;
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether a user logs in by it with a password: for some clients this is to end one day, and what a password opened must
    /// not outlast that password.
    pub(crate) const fn begins_password_login(self) -> bool {
        match self.0.kind {
            Kind::Password | Kind::PasswordInRealm => true,
            // What it finishes has a grant type of its own, and is held to that.
            Kind::Refresh | Kind::SecondFactor => false,
            Kind::Extension { begins_password_login } => begins_password_login,
        }
    }

    /// Whether its request holds the user's password. Nothing is known of the parameters of an extension.
    pub(crate) const fn has_password(self) -> bool {
        matches!(self.0.kind, Kind::Password | Kind::PasswordInRealm)
    }

    /// What the user of a login has proven by it alone.
    pub(crate) const fn methods(self) -> AuthenticationMethods {
        let none = AuthenticationMethods::NONE;
        if self.has_password() { none.with(AuthenticationMethod::Password) } else { none }
    }

    /// Whether a login goes on by it.
    pub(crate) fn is_refresh(&self) -> bool {
        matches!(self.0.kind, Kind::Refresh)
    }

    /// Whether it finishes a login by a second factor.
    pub(crate) const fn is_second_factor(self) -> bool {
        matches!(self.0.kind, Kind::SecondFactor)
    }

    /// The way of the logins that begin by it.
    pub(crate) const fn way(self) -> LoginWay {
        match self.0.kind {
            Kind::Password => LoginWay::Password,
            Kind::PasswordInRealm => LoginWay::Realm,
            Kind::SecondFactor => LoginWay::SecondFactor,
            // A refresh begins none: that of its family did, and if there is none it is not known.
            Kind::Refresh | Kind::Extension { .. } => LoginWay::Extension,
        }
    }

    /// Whether its request must name a realm.
    pub(crate) const fn names_realm(self) -> bool {
        matches!(self.0.kind, Kind::PasswordInRealm)
    }
}

/// The name of a grant type, which most logins share: it is not copied.
pub(crate) fn shared_name(name: &str) -> Cow<'static, str> {
    let known = [PASSWORD, PASSWORD_REALM].into_iter().find(|known| *known == name);
    known.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

/// Whether a login begins by the grant type of this name, whatever serves it.
pub(crate) fn begins_login(name: &str) -> bool {
    name != REFRESH_TOKEN && !SECOND_FACTOR.contains(&name)
}

/// The way of the logins that begin by the grant type of this name.
pub(crate) fn way_of(name: &str) -> LoginWay {
    match name {
        PASSWORD => LoginWay::Password,
        PASSWORD_REALM => LoginWay::Realm,
        _ => LoginWay::Extension,
    }
}

/// Whether a password begins logins by the grant type of this name: where it is an extension's, one that was served since the start.
pub(crate) fn began_by_password(name: &str) -> bool {
    if [PASSWORD, PASSWORD_REALM].contains(&name) {
        return true;
    }
    let mut made = EXTENSIONS.get();
    while let Some(this) = made {
        if this.named.name == name && GrantType(&this.named).begins_password_login() {
            return true;
        }
        made = this.next.get();
    }
    false
}

/// Whether only an extension can serve the grant type of this name.
pub(crate) fn is_of_extension(name: &str) -> bool {
    ![PASSWORD, PASSWORD_REALM, REFRESH_TOKEN].contains(&name) && !SECOND_FACTOR.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_is_built_again_is_kept_once() {
        let build = |name: &str, begins| GrantType::extension(name, begins);
        let first = build("urn:example:once", false);
        let elsewhere = String::from("urn:example:once");
        assert!(std::ptr::eq(first.0, build(&elsewhere, false).0));
        for (name, begins) in [("urn:example:once", true), ("urn:example:other", false)] {
            let other = build(name, begins);
            assert_eq!((other.name(), other.begins_password_login()), (name, begins));
            assert!(!std::ptr::eq(first.0, other.0));
        }
        assert_eq!((first.name(), first.begins_password_login()), ("urn:example:once", false));
    }
}
