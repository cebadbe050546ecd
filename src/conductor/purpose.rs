//! Which endpoint was asked. All share head, budgets and answers, and differ in what follows.

use http::Uri;

use crate::protocol::factor::parameters::{AUTHENTICATOR_TYPES, CHALLENGE_TYPE, ID, OOB_CHANNELS};
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::form::Form;
use crate::protocol::wire::media_type::BodyFormats;
use crate::protocol::wire::methods::Methods;

/// The endpoints of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 7009.
    Revocation,
    /// RFC 7662.
    Introspection,
    /// The choice of a second factor, and the sending of its code.
    FactorChallenge,
    /// The enrolment of an authenticator.
    Associate,
    /// The authenticators of a user.
    Authenticators,
    /// One of them, which its path names.
    Authenticator,
}

impl Purpose {
    /// What its path takes.
    pub(crate) fn methods(self) -> Methods {
        match self {
            Self::Token | Self::Revocation | Self::Introspection | Self::FactorChallenge | Self::Associate => {
                Methods::FORM
            }
            Self::Authenticators => Methods::LIST,
            Self::Authenticator => Methods::REMOVE,
        }
    }

    /// Whether its path ends in an id.
    pub(crate) const fn has_id(self) -> bool {
        matches!(self, Self::Authenticator)
    }

    /// Whether it goes by a bearer token, and not by client authentication.
    pub(crate) const fn takes_bearer(self) -> bool {
        matches!(self, Self::Associate | Self::Authenticators | Self::Authenticator)
    }

    /// Whether its path says all, so that no body is read.
    pub(crate) const fn is_bodiless(self) -> bool {
        matches!(self, Self::Authenticators | Self::Authenticator)
    }

    /// The formats of its bodies, where the profile reads these. Clients write what concerns second factors as JSON.
    pub(crate) const fn formats(self, of_profile: BodyFormats) -> BodyFormats {
        match self {
            Self::FactorChallenge | Self::Associate => BodyFormats::FormAndJson,
            _ => of_profile,
        }
    }

    /// The parameters that may be arrays in JSON.
    pub(crate) const fn lists(self) -> &'static [&'static str] {
        match self {
            Self::FactorChallenge => &[CHALLENGE_TYPE],
            Self::Associate => &[AUTHENTICATOR_TYPES, OOB_CHANNELS],
            _ => &[],
        }
    }

    /// What a request for this has in place of a body, if [none is read](Self::is_bodiless).
    pub(crate) fn form_of(self, uri: &Uri) -> Result<Form, Reason> {
        if self.has_id() { Form::of_segment(ID, uri.path()) } else { Ok(Form::default()) }
    }
}
