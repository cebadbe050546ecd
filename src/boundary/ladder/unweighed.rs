//! Logins that are no grants, and why.

use super::clearance::Lack;
use super::facts::GrantFacts;
use super::open::OpenLogin;
use crate::protocol::client::policy;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::wire::error::{Reason, TokenError};

/// Why a login is no grant.
#[allow(clippy::large_enum_variant, reason = "it is boxed as a whole")]
pub(crate) enum Unweighed {
    /// It gives nothing.
    Refused(TokenError),
    /// The plan of the client has no place for it, or nobody can tell. It was no guess.
    Out(TokenError),
    /// A second factor is open.
    Open(OpenLogin),
}

impl Unweighed {
    #[cold]
    pub(super) fn of(lack: Lack, facts: &GrantFacts, family: Option<&RefreshFamily>) -> Box<Self> {
        let refused = |reason| Self::Refused(TokenError::new(reason));
        Box::new(match lack {
            Lack::Out(reason) => Self::Out(policy::not_permitted(&facts.client, facts.grant_type, reason)),
            Lack::LookUp => Self::Out(TokenError::new(Reason::ExceptionsFailed)),
            Lack::Leaked => refused(Reason::PasswordLeaked),
            Lack::Unlooked => refused(Reason::VerifierFailed),
            Lack::Rule => refused(Reason::RuleFailed),
            Lack::Unasked => refused(Reason::FactorStoreFailed),
            Lack::Factor(open) => Self::Open(OpenLogin::of(open, facts, family)),
        })
    }
}
