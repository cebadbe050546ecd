//! The bearer that manages second factors: of a `mfa_token`, or of an access token for these endpoints (RFC 6750).

use std::net::IpAddr;
use std::time::SystemTime;

use super::seals::not_kept;
use super::second_factors::SecondFactors;
use crate::boundary::ladder::challenge::Unsealed;
use crate::boundary::recheck::Recheck;
use crate::conductor::access_tokens::AccessTokens;
use crate::protocol::audience::Audience;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::authenticator::FactorUser;
use crate::protocol::realm::Realm;
use crate::protocol::skew::MAX_SKEW;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::wire::error::{Reason, TokenError};

/// The bearer that manages second factors.
pub(crate) enum Bearer {
    /// A login with a factor open.
    Login(Box<Unsealed>),
    /// An access token.
    Token(AccessTokenRecord),
}

impl Bearer {
    /// The bearer of this token. `audience`: that of the endpoints of second factors.
    pub(crate) async fn of(
        token: &str,
        factors: &SecondFactors,
        access: &AccessTokens,
        audience: &Audience,
    ) -> Result<Self, TokenError> {
        let now = factors.clock.now();
        match factors.seals.open_challenge(token, None, now) {
            Ok(open) => {
                // Its login is over: what it was good for is done.
                let is_spent = factors.is_spent(open.challenge()).await.map_err(not_kept)?;
                return if is_spent { Err(Reason::BearerExpired.into()) } else { Ok(Self::Login(Box::new(open))) };
            }
            Err(Reason::MfaTokenExpired) => return Err(Reason::BearerExpired.into()),
            Err(_) => {}
        }
        let is_for_factors = |record: &AccessTokenRecord| record.audience().iter().any(|own| own == audience.as_str());
        let record = access.find(token).await?.filter(is_for_factors).ok_or(Reason::BearerInvalid)?;
        Self::of_record(record, now).map_err(TokenError::from)
    }

    fn of_record(record: AccessTokenRecord, now: SystemTime) -> Result<Self, Reason> {
        match record {
            record if record.has_expired(now) => Err(Reason::BearerExpired),
            record if record.is_early(now, MAX_SKEW) => Err(Reason::BearerInvalid),
            record => Ok(Self::Token(record)),
        }
    }

    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::Login(open) => open.challenge().client.as_str(),
            Self::Token(record) => record.client().as_str(),
        }
    }

    /// Whose second factors they are.
    pub(crate) fn user(&self) -> FactorUser<'_> {
        match self {
            Self::Login(open) => open.challenge().user(),
            Self::Token(record) => FactorUser::new(record.realm(), record.subject_id()),
        }
    }

    /// The question whether its login still holds.
    pub(crate) fn question(&self, client: &Client, realm: &Realm, address: Option<IpAddr>) -> Recheck {
        match self {
            Self::Login(open) => Recheck::of_open(open.challenge(), client, realm, address),
            Self::Token(record) => Recheck::of_token(record, client, realm, address),
        }
    }

    /// Whether no second factor was shown for it, so that it changes nothing of a user who has one.
    pub(crate) fn is_by_password_alone(&self) -> bool {
        match self {
            // It is open.
            Self::Login(_) => true,
            Self::Token(record) => !record.methods().has_second_factor(),
        }
    }

    /// Whether it has this scope. A login with a factor open has each that it may finish with.
    pub(crate) fn check_scope(&self, scope: &str, may_login: bool) -> Result<(), Reason> {
        let may = match self {
            Self::Login(_) => may_login,
            Self::Token(record) => record.scope().contains(scope),
        };
        if may { Ok(()) } else { Err(Reason::BearerScope) }
    }
}
