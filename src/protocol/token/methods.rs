//! In which ways a user was authenticated (RFC 8176).

use std::fmt;

use serde_json::Value;

/// The value of `acr` where there is a second factor: that of OpenID's PAPE 1.0 section 4, a URI as OpenID Connect Core 1.0
/// section 2 wants it, which Auth0 writes and asks for, too. No other level has a value: of a password nothing more is known.
pub(crate) const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// The claim that has the names of the methods (RFC 8176).
pub(crate) const AMR: &str = "amr";

/// The claim that has the level of the authentication (OpenID Connect Core 1.0 section 2).
pub(crate) const ACR: &str = "acr";

/// What `amr` has for more than one factor.
const MFA: &str = "mfa";

/// One way in which a user was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthenticationMethod {
    /// A password.
    Password,
    /// A code of an authenticator app (RFC 6238).
    Otp,
    /// A code in a text message.
    Sms,
    /// A code in a telephone call.
    Voice,
    /// A code in an e-mail.
    Email,
    /// A question on another device, answered there.
    Push,
    /// A recovery code.
    RecoveryCode,
    /// More than one factor, as another server says it without naming each of them.
    MultiFactor,
}

impl AuthenticationMethod {
    const ALL: [Self; 8] = [
        Self::Password,
        Self::Otp,
        Self::Sms,
        Self::Voice,
        Self::Email,
        Self::Push,
        Self::RecoveryCode,
        Self::MultiFactor,
    ];

    /// Its name in `amr` (RFC 8176 section 2). A code that is sent by e-mail and a recovery code are one-time passwords; a question
    /// on another device is a second channel.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Otp | Self::Email | Self::RecoveryCode => "otp",
            Self::Sms => "sms",
            Self::Voice => "tel",
            Self::Push => "mca",
            Self::MultiFactor => MFA,
        }
    }

    /// Its own name in what is stored.
    const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Otp => "otp",
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Email => "email",
            Self::Push => "push",
            Self::RecoveryCode => "recovery-code",
            Self::MultiFactor => "multi-factor",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The ways in which the user of one login was authenticated: a set. Tokens and introspection say it in the claims `amr` and `acr`,
/// which are left out where it is [a password alone](crate::manual::tokens#how-the-user-was-authenticated).
///
/// ```
/// use tower_password_grant::token::{AuthenticationMethod, AuthenticationMethods};
///
/// let methods = AuthenticationMethods::NONE
///     .with(AuthenticationMethod::Password)
///     .with(AuthenticationMethod::Otp);
/// assert!(methods.has_second_factor());
/// assert_eq!(methods.amr(), ["pwd", "otp", "mfa"]);
/// assert_eq!(methods.to_string().parse(), Ok(methods));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AuthenticationMethods(u16);

impl AuthenticationMethods {
    /// None is known.
    pub const NONE: Self = Self(0);

    /// The same with another one.
    #[must_use]
    pub const fn with(self, method: AuthenticationMethod) -> Self {
        Self(self.0 | method.bit())
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether the user was authenticated so.
    #[must_use]
    pub const fn contains(self, method: AuthenticationMethod) -> bool {
        self.0 & method.bit() != 0
    }

    /// Whether none is known.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether there are two at least, or another server said that there are.
    #[must_use]
    pub const fn has_second_factor(self) -> bool {
        self.0.count_ones() >= 2 || self.contains(AuthenticationMethod::MultiFactor)
    }

    /// The set as a number: for what is sealed.
    pub(crate) const fn to_bits(self) -> u16 {
        self.0
    }

    /// The set of this number; `None` if it has a method that is unknown here.
    pub(crate) fn from_bits(bits: u16) -> Option<Self> {
        let known = AuthenticationMethod::ALL.into_iter().collect::<Self>();
        (bits & !known.0 == 0).then_some(Self(bits))
    }

    /// The methods, in the order of [`AuthenticationMethod`].
    pub fn iter(self) -> impl Iterator<Item = AuthenticationMethod> {
        AuthenticationMethod::ALL.into_iter().filter(move |method| self.contains(*method))
    }

    /// The values of the claim `amr`, each once; `mfa` is the last one if there is a second factor (RFC 8176 section 2).
    #[must_use]
    pub fn amr(self) -> Vec<&'static str> {
        let mut names: Vec<&str> = Vec::new();
        for method in self.iter() {
            if !names.contains(&method.as_str()) {
                names.push(method.as_str());
            }
        }
        names.extend(Some(MFA).filter(|mfa| self.has_second_factor() && !names.contains(mfa)));
        names
    }

    /// The value of the claim `acr` (OpenID Connect Core 1.0 section 2): `http://schemas.openid.net/pape/policies/2007/06/multi-factor`
    /// if there is a second factor, else none.
    #[must_use]
    pub const fn acr(self) -> Option<&'static str> {
        if self.has_second_factor() { Some(MULTI_FACTOR) } else { None }
    }

    /// What tokens and introspection say of them, beside `auth_time`. A password alone goes without saying: it is what most tokens
    /// of this grant come from, and a longer token would cost each request to an API.
    pub(crate) fn claims(self) -> impl Iterator<Item = (&'static str, Value)> {
        let goes_without_saying = self.is_empty() || self == Self::NONE.with(AuthenticationMethod::Password);
        let amr = (!goes_without_saying).then(|| (AMR, self.amr().into()));
        amr.into_iter().chain(self.acr().map(|acr| (ACR, acr.into())))
    }

    /// Those which these values of `amr` stand for, and whether that is all that they say.
    pub(crate) fn of_amr(names: &[String]) -> (Self, bool) {
        let named = |name: &String| AuthenticationMethod::ALL.into_iter().find(|method| method.as_str() == name);
        let known = |name: &&String| name.as_str() != MFA;
        let methods: Self = names.iter().filter(known).filter_map(named).collect();
        let has_more = names.iter().any(|name| name == MFA);
        let methods = if has_more { methods.with_second_factor() } else { methods };
        (methods, names.iter().all(|name| named(name).is_some()))
    }

    /// With more than one factor, which need not be named.
    pub(crate) const fn with_second_factor(self) -> Self {
        if self.has_second_factor() { self } else { self.with(AuthenticationMethod::MultiFactor) }
    }
}

/// The names, with single spaces between them: for stores.
impl fmt::Display for AuthenticationMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, method) in self.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{}", method.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for AuthenticationMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<AuthenticationMethod> for AuthenticationMethods {
    fn from_iter<I: IntoIterator<Item = AuthenticationMethod>>(methods: I) -> Self {
        methods.into_iter().fold(Self::NONE, Self::with)
    }
}

/// A stored set names a method that is unknown here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown authentication method: a newer version may have stored it")]
pub struct UnknownMethod;

impl std::str::FromStr for AuthenticationMethods {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let named = |name: &str| AuthenticationMethod::ALL.into_iter().find(|method| method.name() == name);
        text.split_ascii_whitespace().map(|name| named(name).ok_or(UnknownMethod)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_is_read_back_from_its_text() {
        for bits in 0..1 << AuthenticationMethod::ALL.len() {
            let methods = AuthenticationMethods(bits);
            assert_eq!(methods.to_string().parse(), Ok(methods));
            assert_eq!(methods.iter().collect::<AuthenticationMethods>(), methods);
        }
        assert_eq!("password retina".parse::<AuthenticationMethods>(), Err(UnknownMethod));
    }

    #[test]
    fn amr_names_each_value_once_and_mfa_for_two_methods() {
        use AuthenticationMethod::{Email, MultiFactor, Otp, Password, Push, RecoveryCode, Sms, Voice};
        for (methods, amr) in [
            (&[][..], &[][..]),
            (&[Password], &["pwd"]),
            (&[Otp], &["otp"]),
            (&[Password, Otp], &["pwd", "otp", "mfa"]),
            (&[Password, Otp, RecoveryCode, Email], &["pwd", "otp", "mfa"]),
            (&[Password, Sms, Voice, Push], &["pwd", "sms", "tel", "mca", "mfa"]),
            (&[MultiFactor, Password], &["pwd", "mfa"]),
            (&[MultiFactor], &["mfa"]),
        ] {
            assert_eq!(methods.iter().copied().collect::<AuthenticationMethods>().amr(), amr, "{methods:?}");
        }
    }
}
