//! What a request to enrol an authenticator asks for.

use std::fmt;

use super::authenticator::{AuthenticatorKind, Channel};
use super::contact::{is_email, is_phone_number, masked_email, masked_phone_number};
use super::parameters::{AUTHENTICATOR_TYPES, EMAIL, OOB_CHANNELS, PHONE_NUMBER};
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::Form;

/// What is to be enrolled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// An authenticator app.
    Otp,
    /// What is reached at a telephone number or an e-mail address.
    Contact(Channel, &'a str),
    /// Another device, which is not named.
    Device(Channel),
}

impl<'a> Wanted<'a> {
    /// Reads what is asked for: the first of the types, and of the channels, that can be enrolled.
    pub(crate) fn read(form: &'a Form, enrollable: &[AuthenticatorKind]) -> Result<Self, TokenError> {
        let kinds = kinds(form)?;
        let kind = kinds.into_iter().find(|kind| enrollable.contains(kind)).ok_or(Reason::UnsupportedChallengeType)?;
        match kind {
            AuthenticatorKind::OutOfBand(channel) => Self::out_of_band(channel, form),
            _ => Ok(Self::Otp),
        }
    }

    fn out_of_band(channel: Channel, form: &'a Form) -> Result<Self, TokenError> {
        let contact = |parameter: &str| form.single(parameter)?.ok_or_else(|| TokenError::missing(parameter));
        match channel {
            Channel::Sms | Channel::Voice => {
                let number = contact(PHONE_NUMBER)?;
                if is_phone_number(number) {
                    Ok(Self::Contact(channel, number))
                } else {
                    Err(Reason::InvalidPhoneNumber.into())
                }
            }
            Channel::Email => {
                let address = contact(EMAIL)?;
                if is_email(address) {
                    Ok(Self::Contact(channel, address))
                } else {
                    Err(Reason::InvalidEnrolment.into())
                }
            }
            Channel::Push => Ok(Self::Device(channel)),
        }
    }

    pub(crate) const fn kind(self) -> AuthenticatorKind {
        match self {
            Self::Otp => AuthenticatorKind::Otp,
            Self::Contact(channel, _) | Self::Device(channel) => AuthenticatorKind::OutOfBand(channel),
        }
    }

    /// How people recognise the authenticator.
    pub(crate) fn name(self) -> Option<String> {
        match self {
            Self::Contact(Channel::Email, address) => Some(masked_email(address)),
            Self::Contact(_, number) => Some(masked_phone_number(number)),
            Self::Otp | Self::Device(_) => None,
        }
    }
}

impl fmt::Debug for Wanted<'_> {
    /// Without the contact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("kind", &self.kind()).field("name", &self.name()).finish()
    }
}

/// The kinds that a request names, in its order. Others than those of this crate are left out.
fn kinds(form: &Form) -> Result<Vec<AuthenticatorKind>, TokenError> {
    let mut kinds = Vec::new();
    let mut has_types = false;
    for name in form.list(AUTHENTICATOR_TYPES) {
        has_types = true;
        if name == AuthenticatorKind::Otp.authenticator_type() {
            kinds.push(AuthenticatorKind::Otp);
        } else if Channel::ALL.iter().any(|channel| name == AuthenticatorKind::OutOfBand(*channel).authenticator_type())
        {
            if form.list(OOB_CHANNELS).next().is_none() {
                return Err(TokenError::missing(OOB_CHANNELS));
            }
            let channels = form.list(OOB_CHANNELS).filter_map(Channel::named);
            kinds.extend(channels.map(AuthenticatorKind::OutOfBand));
        }
    }
    if has_types { Ok(kinds) } else { Err(TokenError::missing(AUTHENTICATOR_TYPES)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [AuthenticatorKind; 5] = [
        AuthenticatorKind::Otp,
        AuthenticatorKind::OutOfBand(Channel::Sms),
        AuthenticatorKind::OutOfBand(Channel::Voice),
        AuthenticatorKind::OutOfBand(Channel::Email),
        AuthenticatorKind::OutOfBand(Channel::Push),
    ];

    const CALLS: [AuthenticatorKind; 1] = [AuthenticatorKind::OutOfBand(Channel::Voice)];

    fn form(body: &str) -> Form {
        Form::parse(body.as_bytes(), 0).unwrap()
    }

    #[test]
    fn the_first_that_is_offered_is_taken() {
        let both = form("authenticator_types=otp+oob&oob_channels=sms&oob_channels=voice&phone_number=%2B15555550199");
        assert_eq!(Wanted::read(&both, &ALL).unwrap(), Wanted::Otp);
        assert_eq!(Wanted::read(&both, &CALLS).unwrap(), Wanted::Contact(Channel::Voice, "+15555550199"));
        let json = br#"{"authenticator_types":["oob"],"oob_channels":["auth0"]}"#;
        let push = Form::parse_json(json, 0, &[AUTHENTICATOR_TYPES, OOB_CHANNELS]).unwrap();
        assert_eq!(Wanted::read(&push, &ALL).unwrap(), Wanted::Device(Channel::Push));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (body, reason) in [
            ("", Reason::MissingParameter),
            ("authenticator_types=", Reason::MissingParameter),
            ("authenticator_types=webauthn-roaming", Reason::UnsupportedChallengeType),
            ("authenticator_types=recovery-code", Reason::UnsupportedChallengeType),
            ("authenticator_types=oob", Reason::MissingParameter),
            ("authenticator_types=oob&oob_channels=fax", Reason::UnsupportedChallengeType),
            ("authenticator_types=oob&oob_channels=sms", Reason::MissingParameter),
            ("authenticator_types=oob&oob_channels=sms&phone_number=0199", Reason::InvalidPhoneNumber),
            ("authenticator_types=oob&oob_channels=email&email=nobody", Reason::InvalidEnrolment),
            ("authenticator_types=oob&oob_channels=email&email=a&email=b", Reason::RepeatedParameter),
        ] {
            assert_eq!(Wanted::read(&form(body), &ALL).unwrap_err().reason, reason, "{body}");
        }
        assert_eq!(
            Wanted::read(&form("authenticator_types=otp"), &CALLS).unwrap_err().reason,
            Reason::UnsupportedChallengeType
        );
    }

    #[test]
    fn a_name_is_masked() {
        assert_eq!(Wanted::Contact(Channel::Sms, "+15555550199").name().as_deref(), Some("XXXXXXXX0199"));
        assert_eq!(Wanted::Contact(Channel::Email, "pat@example.com").name().as_deref(), Some("p***@e***"));
        assert_eq!(Wanted::Device(Channel::Push).name(), None);
    }
}
