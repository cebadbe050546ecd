//! Authenticated clients (RFC 6749 sections 2.3 and 3.2.1).

use std::future::Future;
use std::time::SystemTime;

use super::asking::Asking;
use super::charge::{Charge, GuessKey, OfClient, Unsettled, UsedCharge};
use crate::boundary::auth_method::{AuthRequest, ClientAuthMethod};
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::limiter::{AttemptLimiter, Checked, Decided, Limit, Refusal, Settlement};
use crate::protocol::client::credentials::{self, Bare, Comparison, Moment, Presented, Secret};
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy;
use crate::protocol::client::registered::{Client, ClientAuthentication};
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::texts::Texts;

/// A client whose authentication succeeded: it showed no secret and has none ([`identify`](Self::identify)), a limiter
/// [checked](check) its secret, or its own method [proved](prove) it.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient(Client);

impl AuthenticatedClient {
    /// Takes a public client that presents no secret.
    pub(crate) fn identify(
        bare: Bare<'_>,
        client: Option<&Client>,
        texts: &Texts,
        now: Moment<'_>,
    ) -> Result<Self, TokenError> {
        credentials::identify(bare, client, texts, now).map(Self)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.0
    }

    pub(crate) fn into_client(self) -> Client {
        self.0
    }

    /// Whether the client may use this grant type today.
    #[inline]
    pub(crate) fn permit(
        self,
        grant_type: GrantType,
        now: impl FnOnce() -> SystemTime,
    ) -> Result<PermittedClient, TokenError> {
        policy::permit_grant(&self.0, grant_type, now)?;
        Ok(PermittedClient { client: self.0, grant_type })
    }
}

/// An authenticated client that may use the grant type which it asks for.
#[derive(Debug)]
pub(crate) struct PermittedClient {
    client: Client,
    grant_type: GrantType,
}

impl PermittedClient {
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn grant_type(&self) -> GrantType {
        self.grant_type
    }

    pub(super) fn into_parts(self) -> (Client, GrantType) {
        (self.client, self.grant_type)
    }
}

/// A presented secret that a limiter has had compared with that of its client, and charged if it was wrong.
pub(crate) struct CheckedClient<'a> {
    decided: Decided,
    presented: &'a Presented,
    client: Option<&'a Client>,
}

/// The limiter's answer about a client's secret.
type Answered<'a> = Result<Result<CheckedClient<'a>, Refusal>, BackendError>;

/// Has the limiter compare the presented secret with that of the client: the only maker of a checked client. `Err` holds the call,
/// if its answer is not there at once.
#[inline]
pub(crate) fn check<'a>(
    limiter: &'a dyn AttemptLimiter,
    keyed: &'a GuessKey<'a, OfClient>,
    secret: Secret<'a>,
    client: Option<&'a Client>,
    now: Moment<'a>,
) -> Result<Answered<'a>, impl Future<Output = Answered<'a>> + Send + Unpin + 'a> {
    let presented = secret.presented();
    let comparison = Comparison::new(secret, client, now);
    Asking::at_once(
        limiter.check(keyed.key(), SecretCheck::of(comparison)),
        move |answer: Result<Checked, BackendError>| {
            answer.map(|checked| match checked {
                Checked::Decided(decided) => Ok(CheckedClient { decided, presented, client }),
                Checked::Refused(refusal) => Err(refusal),
            })
        },
    )
}

impl CheckedClient<'_> {
    /// The limit in monitoring mode that would have refused the check.
    pub(crate) const fn monitored(&self) -> Option<Limit> {
        self.decided.monitored()
    }

    /// What could not be settled, and why. What was wrong stays charged as it is.
    #[inline]
    pub(crate) fn take_unsettled(&mut self) -> Option<(Option<Unsettled>, BackendError)> {
        let (again, error) = *self.decided.take_unsettled()?;
        Some((self.decided.is_right().then(|| Unsettled::new(again, Settlement::Success)), error))
    }

    /// The client, if its secret was right.
    #[inline]
    pub(crate) fn conclude(self) -> Result<AuthenticatedClient, TokenError> {
        match self.client {
            Some(client) if self.decided.is_right() => Ok(AuthenticatedClient(client.clone())),
            client => Err(credentials::refuse(self.presented, client)),
        }
    }
}

/// Has the client's own method verify what it claims, for a charge. Nothing is asked about an unknown client, nor about one that
/// is registered for another method.
pub(crate) fn prove<'a>(
    method: &'a dyn ClientAuthMethod,
    client: Option<&'a Client>,
    request: &'a AuthRequest<'a>,
    charge: Charge<OfClient>,
) -> (
    Result<impl Future<Output = Result<Option<AuthenticatedClient>, BackendError>> + Send + Unpin + 'a, Reason>,
    UsedCharge,
) {
    let is_its_own = |client: &Client| matches!(client.authentication(), ClientAuthentication::Method(name) if name == method.name());
    let proving = match client {
        None => Err(Reason::UnknownClient),
        Some(client) if is_its_own(client) => {
            Ok(Asking::new(method.verify(client, request), |answer: Result<bool, BackendError>| {
                answer.map(|is_right| is_right.then(|| AuthenticatedClient(client.clone())))
            }))
        }
        Some(_) => Err(Reason::WrongMethod),
    };
    (proving, charge.used())
}
