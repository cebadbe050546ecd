//! What is sealed: logins with a factor open, what was sent to their users, and the secrets of authenticators.

use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::boundary::backend::BackendError;
use crate::boundary::factors::tools::{FactorTools, SealedKind, Unlocked};
use crate::boundary::ladder::challenge::{NewChallenge, Unsealed};
use crate::protocol::audience::Audience;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, FactorUser};
use crate::protocol::factor::challenge::{OutOfBand, TooLong};
use crate::protocol::factor::sealed_text;
use crate::protocol::secret::secrets::Token;
use crate::protocol::wire::error::{Reason, TokenError};

/// Seals and opens.
pub(crate) struct Seals {
    tools: Box<dyn FactorTools>,
    /// What it seals for clients is read by endpoints of the same audience alone: others have users of their own, and may have the
    /// same keys.
    audience: Audience,
}

impl Seals {
    pub(crate) const fn new(tools: Box<dyn FactorTools>, audience: Audience) -> Self {
        Self { tools, audience }
    }

    /// The mechanisms themselves, for the codes of authenticator apps.
    pub(crate) fn tools(&self) -> &dyn FactorTools {
        &*self.tools
    }

    /// The `mfa_token` of a challenge.
    pub(crate) fn seal_challenge(&self, new: &NewChallenge) -> Result<Token, TokenError> {
        self.write(SealedKind::MfaToken, new.challenge().encode())
    }

    /// The challenge of a `mfa_token` that is not over.
    ///
    /// `client`: the one that presents it, if it is known.
    pub(crate) fn open_challenge(
        &self,
        text: &str,
        client: Option<&Client>,
        now: SystemTime,
    ) -> Result<Unsealed, Reason> {
        Unsealed::of(&*self.tools, &[self.audience.as_str()], text, client, now)
    }

    /// The `oob_code` of a delivery.
    pub(crate) fn seal_delivery(&self, sent: &OutOfBand) -> Result<Token, TokenError> {
        self.write(SealedKind::OobCode, sent.encode())
    }

    /// The delivery of an `oob_code` that is not over and was made for this challenge.
    pub(crate) fn open_delivery(&self, text: &str, challenge: &[u8; 16], now: SystemTime) -> Result<OutOfBand, Reason> {
        let sealed = sealed_text::read(text).ok_or(Reason::MalformedOobCode)?;
        let plain = self.tools.open(SealedKind::OobCode, &[self.audience.as_str()], sealed);
        let plain = plain.ok_or(Reason::MalformedOobCode)?;
        let sent = OutOfBand::decode(&plain).map_err(|_| Reason::MalformedOobCode)?;
        if sent.challenge != *challenge {
            return Err(Reason::MalformedOobCode);
        }
        if sent.expires <= now { Err(Reason::OobCodeExpired) } else { Ok(sent) }
    }

    /// Seals the secret of an authenticator, or the address behind it: for this user and this identifier alone.
    pub(crate) fn seal_secret(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        secret: &[u8],
    ) -> Result<Vec<u8>, TokenError> {
        let sealed =
            self.in_context(user, id, |context| self.tools.seal(SealedKind::AuthenticatorSecret, context, secret));
        sealed.map_err(|error| not_kept(error.into()))
    }

    /// What was sealed so. It opens unless its key is gone or another user's row was put in its place.
    pub(crate) fn open_secret(
        &self,
        user: FactorUser<'_>,
        authenticator: &Authenticator,
    ) -> Result<Unlocked, TokenError> {
        let opened = self.in_context(user, &authenticator.id, |context| {
            self.tools.open(SealedKind::AuthenticatorSecret, context, authenticator.sealed.clone())
        });
        // Nothing is decided, and a second try can help: it may be that this process alone does not have the key yet.
        opened.ok_or_else(|| {
            not_kept(BackendError::unavailable("an authenticator does not open: its key is gone, or it was moved"))
        })
    }

    /// Where a code goes to.
    pub(crate) fn open_contact(
        &self,
        user: FactorUser<'_>,
        authenticator: &Authenticator,
    ) -> Result<Zeroizing<String>, TokenError> {
        let opened = self.open_secret(user, authenticator)?;
        let text = str::from_utf8(&opened).map_err(|error| not_kept(BackendError::fault(error)))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Calls with what the secret of an authenticator belongs to. A realm that is not there differs from an empty one.
    fn in_context<T>(&self, user: FactorUser<'_>, id: &AuthenticatorId, call: impl FnOnce(&[&str]) -> T) -> T {
        match user.realm {
            Some(realm) => call(&[realm, user.subject, id.as_str()]),
            None => call(&[user.subject, id.as_str()]),
        }
    }

    fn write(&self, kind: SealedKind, plain: Result<Zeroizing<Vec<u8>>, TooLong>) -> Result<Token, TokenError> {
        let plain = plain.map_err(too_long)?;
        let sealed =
            self.tools.seal(kind, &[self.audience.as_str()], &plain).map_err(|error| not_kept(error.into()))?;
        sealed_text::write(&sealed).map_err(too_long)
    }
}

fn too_long(TooLong: TooLong) -> TokenError {
    not_kept(BackendError::fault(
        "a login is too large for a token of 4 KiB: its scope, its audience or its subject is too long",
    ))
}

/// What factors need to be kept or to be drawn was not to be had. Nothing was decided by it.
pub(crate) fn not_kept(error: BackendError) -> TokenError {
    error.because(Reason::FactorStoreFailed)
}
