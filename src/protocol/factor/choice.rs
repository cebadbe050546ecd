//! Which of a user's authenticators a challenge is for.

use super::authenticator::{Authenticator, AuthenticatorKind, Channel};
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::wire::error::Reason;

/// What a request for a challenge asks for. What is absent asks for nothing in particular.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// The types that the client can show.
    pub(crate) types: &'a [&'a str],
    pub(crate) authenticator: Option<&'a str>,
    pub(crate) channel: Option<&'a str>,
    /// What the user has shown already. It counts once.
    pub(crate) shown: AuthenticationMethods,
}

/// What the user is challenged with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chosen<'a> {
    /// Any authenticator app of the user: the code says which one.
    Otp,
    /// One that is reached on this channel.
    OutOfBand(&'a Authenticator, Channel),
}

impl Asked<'_> {
    /// Chooses among the authenticators of a user: an app first, because its code needs no message, then the oldest. `is_served`: an
    /// application delivers on the channel.
    pub(crate) fn choose<'a>(
        &self,
        enrolled: &'a [Authenticator],
        is_served: impl Fn(Channel) -> bool,
    ) -> Result<Chosen<'a>, Reason> {
        let mut active = enrolled.iter().filter(|one| one.is_factor()).peekable();
        if active.peek().is_none() {
            return Err(Reason::NoAuthenticator);
        }
        let named = match self.authenticator {
            // One of another user is as unknown as one that never was.
            Some(id) => Some(active.clone().find(|one| one.id.as_str() == id).ok_or(Reason::UnknownAuthenticator)?),
            None => None,
        };
        let fitting = |one: &'a Authenticator| self.fit(one).filter(|chosen| chosen.is_served(&is_served));
        let mut fit = active.filter(|one| named.is_none_or(|named| named.id == one.id)).filter_map(fitting).peekable();
        let first = fit.peek().copied();
        fit.find(|chosen| matches!(chosen, Chosen::Otp)).or(first).ok_or(Reason::UnsupportedChallengeType)
    }

    /// What an authenticator is challenged with, if the client can show that and asks for no other channel.
    fn fit<'a>(&self, one: &'a Authenticator) -> Option<Chosen<'a>> {
        let is_known = self.types.is_empty() || self.types.contains(&one.kind.authenticator_type());
        let is_way =
            |channel: Option<Channel>| self.channel.is_none_or(|asked| channel.map(Channel::as_str) == Some(asked));
        let (chosen, channel) = match one.kind {
            AuthenticatorKind::Otp => (Chosen::Otp, None),
            AuthenticatorKind::OutOfBand(channel) => (Chosen::OutOfBand(one, channel), Some(channel)),
            AuthenticatorKind::RecoveryCodes => return None,
        };
        (is_known && is_way(channel) && !self.shown.contains(one.kind.method())).then_some(chosen)
    }
}

impl Chosen<'_> {
    fn is_served(&self, is_served: impl Fn(Channel) -> bool) -> bool {
        match self {
            Self::Otp => true,
            Self::OutOfBand(_, channel) => is_served(*channel),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::authenticator::AuthenticatorId;
    use super::*;
    use crate::protocol::token::methods::AuthenticationMethod;

    const SMS: AuthenticatorKind = AuthenticatorKind::OutOfBand(Channel::Sms);
    const PUSH: AuthenticatorKind = AuthenticatorKind::OutOfBand(Channel::Push);

    fn active(kind: AuthenticatorKind) -> Authenticator {
        let id = AuthenticatorId::random(kind).unwrap();
        let mut one = Authenticator::new(id, kind, None, Vec::new(), SystemTime::UNIX_EPOCH);
        one.is_active = true;
        one
    }

    fn chosen(asked: Asked<'_>, enrolled: &[Authenticator]) -> Result<String, Reason> {
        asked.choose(enrolled, |channel| channel != Channel::Voice).map(|chosen| match chosen {
            Chosen::Otp => "otp".to_owned(),
            Chosen::OutOfBand(one, channel) => format!("{} {}", channel.as_str(), one.id.as_str()),
        })
    }

    #[test]
    fn an_app_is_chosen_first_and_then_the_oldest_that_is_asked_for() {
        let (sms, push, otp) = (active(SMS), active(PUSH), active(AuthenticatorKind::Otp));
        let by = |one: &Authenticator, channel: &str| Ok(format!("{channel} {}", one.id.as_str()));
        let (by_sms, by_push) = (by(&sms, "sms"), by(&push, "auth0"));
        let id = push.id.as_str().to_owned();
        let all = [active(AuthenticatorKind::RecoveryCodes), sms, push, otp];
        let nothing = Asked::default();
        assert_eq!(chosen(nothing, &all), Ok("otp".to_owned()));
        assert_eq!(chosen(Asked { types: &["oob", "otp"], ..nothing }, &all), Ok("otp".to_owned()));
        assert_eq!(chosen(Asked { types: &["oob"], ..nothing }, &all), by_sms);
        assert_eq!(chosen(Asked { types: &["fax", "oob"], ..nothing }, &all), by_sms);
        assert_eq!(chosen(Asked { channel: Some("auth0"), ..nothing }, &all), by_push);
        assert_eq!(chosen(Asked { authenticator: Some(&id), ..nothing }, &all), by_push);
    }

    #[test]
    fn what_the_client_or_the_user_does_not_have_is_not_supported() {
        let (otp, voice) = (active(AuthenticatorKind::Otp), active(AuthenticatorKind::OutOfBand(Channel::Voice)));
        let id = otp.id.as_str().to_owned();
        let all = [otp, voice];
        for asked in [
            Asked { types: &["fax"], ..Asked::default() },
            Asked { types: &["recovery-code"], ..Asked::default() },
            // Nothing delivers it any more.
            Asked { types: &["oob"], ..Asked::default() },
            Asked { channel: Some("voice"), ..Asked::default() },
            Asked { channel: Some("sms"), ..Asked::default() },
            Asked { authenticator: Some(&id), types: &["oob"], ..Asked::default() },
            // The code of an app was the first factor.
            Asked { shown: AuthenticationMethods::NONE.with(AuthenticationMethod::Otp), ..Asked::default() },
        ] {
            assert_eq!(chosen(asked, &all), Err(Reason::UnsupportedChallengeType));
        }
    }

    #[test]
    fn an_authenticator_that_is_not_active_or_not_the_user_s_is_unknown() {
        let mut waiting = active(SMS);
        waiting.is_active = false;
        let (id, codes) = (waiting.id.as_str().to_owned(), active(AuthenticatorKind::RecoveryCodes));
        let codes_id = codes.id.as_str().to_owned();
        let enrolled = [waiting, codes];
        assert_eq!(chosen(Asked::default(), &enrolled), Err(Reason::NoAuthenticator));
        let [waiting, codes] = enrolled;
        let enrolled = [waiting, codes, active(AuthenticatorKind::Otp)];
        for id in [id.as_str(), &codes_id, "sms|dev_AAAAAAAAAAAAAAAAAAAAAA", "x", ""] {
            let asked = Asked { authenticator: Some(id), ..Asked::default() };
            assert_eq!(chosen(asked, &enrolled), Err(Reason::UnknownAuthenticator), "{id}");
        }
    }
}
