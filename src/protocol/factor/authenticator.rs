//! Authenticators: what a user proves a second factor with.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::protocol::secret::secrets::{RandomnessError, SecretDigest, random_id};
use crate::protocol::token::methods::AuthenticationMethod;

/// How long an authenticator waits for its first right code.
pub(crate) const ENROLMENT: Duration = Duration::from_secs(24 * 3600);

/// The most authenticators of one user, unconfirmed ones included.
pub(crate) const MOST_AUTHENTICATORS: usize = 16;

/// The way of a code to its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Channel {
    /// A text message.
    Sms,
    /// A telephone call.
    Voice,
    /// An e-mail.
    Email,
    /// A question on another device, which is answered there.
    Push,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sms, Self::Voice, Self::Email, Self::Push];

    /// Its name in `oob_channel`: `sms`, `voice`, `email`, and `auth0` for a question on another device.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Email => "email",
            Self::Push => "auth0",
        }
    }

    /// The channel with this [name](Self::as_str).
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }

    /// Whether the user types a code. Otherwise the client asks again until the user has answered.
    #[must_use]
    pub const fn has_code(self) -> bool {
        !matches!(self, Self::Push)
    }
}

/// What an authenticator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthenticatorKind {
    /// An authenticator app (RFC 6238).
    Otp,
    /// The recovery codes of a user.
    RecoveryCodes,
    /// Something that is reached on another way.
    OutOfBand(Channel),
}

impl AuthenticatorKind {
    /// What stands in front of its identifiers, up to the `|`.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Otp => "totp",
            Self::RecoveryCodes => "recovery-code",
            Self::OutOfBand(Channel::Sms) => "sms",
            Self::OutOfBand(Channel::Voice) => "voice",
            Self::OutOfBand(Channel::Email) => "email",
            Self::OutOfBand(Channel::Push) => "push",
        }
    }

    const ALL: [Self; 6] = [
        Self::Otp,
        Self::RecoveryCodes,
        Self::OutOfBand(Channel::Sms),
        Self::OutOfBand(Channel::Voice),
        Self::OutOfBand(Channel::Email),
        Self::OutOfBand(Channel::Push),
    ];

    /// Its name in `authenticator_type`: `otp`, `recovery-code` or `oob`.
    #[must_use]
    pub const fn authenticator_type(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::RecoveryCodes => "recovery-code",
            Self::OutOfBand(_) => "oob",
        }
    }

    /// Its name in `type` and in `mfa_requirements`.
    #[must_use]
    pub const fn requirement(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::RecoveryCodes => "recovery-code",
            Self::OutOfBand(Channel::Sms | Channel::Voice) => "phone",
            Self::OutOfBand(Channel::Email) => "email",
            Self::OutOfBand(Channel::Push) => "push-notification",
        }
    }

    /// The method that is proven with it.
    #[must_use]
    pub const fn method(self) -> AuthenticationMethod {
        match self {
            Self::Otp => AuthenticationMethod::Otp,
            Self::RecoveryCodes => AuthenticationMethod::RecoveryCode,
            Self::OutOfBand(Channel::Sms) => AuthenticationMethod::Sms,
            Self::OutOfBand(Channel::Voice) => AuthenticationMethod::Voice,
            Self::OutOfBand(Channel::Email) => AuthenticationMethod::Email,
            Self::OutOfBand(Channel::Push) => AuthenticationMethod::Push,
        }
    }
}

/// The identifier of an authenticator: its kind and 128 random bits, as `totp|dev_pR0l2k...`. It is no secret. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthenticatorId(Arc<str>);

impl AuthenticatorId {
    /// A new one.
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness.
    pub(crate) fn random(kind: AuthenticatorKind) -> Result<Self, RandomnessError> {
        let (prefix, bytes) = (kind.prefix(), random_id()?);
        Ok(Self(format!("{prefix}|dev_{}", URL_SAFE_NO_PAD.encode(bytes)).into()))
    }

    /// An identifier as [`as_str`](Self::as_str) gave it; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once("|dev_")?;
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_random = rest.len() == 22 && rest.bytes().all(is_letter);
        let is_known = AuthenticatorKind::ALL.iter().any(|kind| kind.prefix() == prefix);
        (is_random && is_known).then(|| Self(text.into()))
    }

    /// The kind that it names.
    #[must_use]
    pub fn kind(&self) -> Option<AuthenticatorKind> {
        let (prefix, _) = self.0.split_once('|')?;
        AuthenticatorKind::ALL.into_iter().find(|kind| kind.prefix() == prefix)
    }

    /// The text, for the wire and for stores.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuthenticatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthenticatorId").field(&self.0).finish()
    }
}

/// The user of an authenticator: the subject of the tokens, within its realm.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FactorUser<'a> {
    /// The realm of the login, if its client lists some.
    pub realm: Option<&'a str>,
    /// The [subject's identifier](crate::Subject::id).
    pub subject: &'a str,
}

impl<'a> FactorUser<'a> {
    /// A user by realm and subject.
    #[must_use]
    pub const fn new(realm: Option<&'a str>, subject: &'a str) -> Self {
        Self { realm, subject }
    }
}

impl fmt::Debug for FactorUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactorUser").field("realm", &self.realm).field("subject", &self.subject).finish()
    }
}

/// An authenticator of a user, as a [`FactorStore`](crate::store::FactorStore) keeps it. Every field is to be kept.
#[derive(Clone)]
#[non_exhaustive]
pub struct Authenticator {
    /// Its identifier.
    pub id: AuthenticatorId,
    /// What it is: that of the identifier.
    pub kind: AuthenticatorKind,
    /// How people recognise it, masked: `XXXXXXXX0199`.
    pub name: Option<String>,
    /// The secret of an authenticator app, or the address behind a channel, sealed under the application's key for this user and
    /// this identifier. Recovery codes have none.
    pub sealed: Vec<u8>,
    /// Whether its first right code has come.
    pub is_active: bool,
    /// When its enrolment began.
    pub created: SystemTime,
    /// The latest time step whose code was used (RFC 6238 section 5.2).
    pub last_step: Option<u64>,
}

impl Authenticator {
    /// An authenticator whose enrolment begins, for stores and for tests.
    #[must_use]
    pub const fn new(
        id: AuthenticatorId,
        kind: AuthenticatorKind,
        name: Option<String>,
        sealed: Vec<u8>,
        created: SystemTime,
    ) -> Self {
        Self { id, kind, name, sealed, is_active: false, created, last_step: None }
    }

    /// Whether it was not confirmed within 24 hours.
    #[must_use]
    pub fn is_over(&self, now: SystemTime) -> bool {
        !self.is_active && now.duration_since(self.created).is_ok_and(|age| age >= ENROLMENT)
    }

    /// Whether a login can be demanded to show it: recovery codes stand in for one, and are none by themselves.
    #[must_use]
    pub const fn is_factor(&self) -> bool {
        self.is_active && !matches!(self.kind, AuthenticatorKind::RecoveryCodes)
    }
}

impl fmt::Debug for Authenticator {
    /// Without what is sealed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("id", &self.id)
            .field("is_active", &self.is_active)
            .finish_non_exhaustive()
    }
}

/// What an enrolment adds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Enrolment {
    /// The new authenticator, which is not active.
    pub authenticator: Authenticator,
    /// New recovery codes, for a user who has none that count: they become active with the authenticator.
    pub recovery: Option<RecoveryCodes>,
    /// Nothing is added if the user has an active factor: the enrolment was begun with a password alone.
    pub if_no_factor: bool,
}

impl Enrolment {
    /// An enrolment of this authenticator alone, for tests of a store.
    #[must_use]
    pub const fn new(authenticator: Authenticator, recovery: Option<RecoveryCodes>, if_no_factor: bool) -> Self {
        Self { authenticator, recovery, if_no_factor }
    }
}

/// The recovery codes of a user, as digests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveryCodes {
    /// The authenticator that stands for all of them.
    pub authenticator: Authenticator,
    /// The digest of each.
    pub digests: Vec<SecretDigest>,
}

impl RecoveryCodes {
    /// Recovery codes with these digests.
    #[must_use]
    pub const fn new(authenticator: Authenticator, digests: Vec<SecretDigest>) -> Self {
        Self { authenticator, digests }
    }
}

/// What became of an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enrolled {
    /// It waits for its first right code.
    Begun,
    /// Nothing was to change if the user has an active factor, and the user has one.
    HasFactor,
    /// The user has as many authenticators as one may have.
    TooMany,
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removed {
    /// The authenticator was there, and is gone by this call.
    Gone,
    /// It was not there.
    Unknown,
    /// Nothing was to change if the user has an active factor, and the user has one.
    HasFactor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_names_its_kind_and_is_read_back() {
        for kind in AuthenticatorKind::ALL {
            let id = AuthenticatorId::random(kind).unwrap();
            assert_eq!(AuthenticatorId::parse(id.as_str()), Some(id.clone()));
            assert_eq!(id.kind(), Some(kind));
        }
        for bad in
            ["", "totp|dev_", "totp|dev_short", "fax|dev_AAAAAAAAAAAAAAAAAAAAAA", "totp|dev_AAAAAAAAAAAAAAAAAAAAA/"]
        {
            assert_eq!(AuthenticatorId::parse(bad), None, "{bad}");
        }
    }
}
