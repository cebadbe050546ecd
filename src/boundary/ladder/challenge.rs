//! Challenges: new ones of the logins that are left open, and those that clients present to finish one.

use std::sync::Arc;
use std::time::SystemTime;

use crate::boundary::factors::tools::{FactorTools, SealedKind};
use crate::protocol::audience::Audience;
use crate::protocol::client::policy;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::challenge::{CHALLENGE, Challenge};
use crate::protocol::factor::sealed_text;
use crate::protocol::secret::secrets::{RandomnessError, random_id};
use crate::protocol::token::methods::AuthenticationMethod;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::wire::error::Reason;

/// A challenge that a client is to get. It has two sources: a login that is [left open](super::open::OpenLogin::into_challenge), and
/// an access token that [enrols](Self::of_token).
pub(crate) struct NewChallenge(Challenge);

impl NewChallenge {
    /// One that begins now, made of its identifier and its end. Beyond all time it has ended.
    pub(super) fn begin(
        now: SystemTime,
        make: impl FnOnce([u8; 16], SystemTime) -> Challenge,
    ) -> Result<Self, RandomnessError> {
        Ok(Self(make(random_id()?, now.checked_add(CHALLENGE).unwrap_or(now))))
    }

    /// For the access token of this client that manages second factors, in place of a new login. `audience`: that of these tokens.
    /// `credential_version`: that of its user now.
    pub(crate) fn of_token(
        record: &AccessTokenRecord,
        client: &Client,
        audience: &Audience,
        credential_version: Option<String>,
        now: SystemTime,
    ) -> Result<Self, RandomnessError> {
        let by_password = record.methods().contains(AuthenticationMethod::Password);
        Self::begin(now, |id, expires| Challenge {
            id,
            client: client.id().clone(),
            realm: record.realm().map(str::to_owned),
            subject: record.subject_id().into(),
            credential_version,
            scope: record.scope().clone(),
            audience: Some(audience.as_str().to_owned()),
            grant_type: policy::login_grant(client, by_password).to_owned().into(),
            methods: record.methods(),
            authenticated_at: record.authenticated_at().unwrap_or(record.issued_at()),
            expires,
            attempt: None,
            family: None,
        })
    }

    /// What is sealed of it.
    pub(crate) const fn challenge(&self) -> &Challenge {
        &self.0
    }
}

/// A challenge that was sealed here and is not over. Whether it was spent only its store knows.
pub(crate) struct Unsealed(Challenge);

impl Unsealed {
    /// Of a `mfa_token` that was sealed in this context. What is odd about it does not show, but for its age.
    /// `client`: the one that presents it, if it is known.
    pub(crate) fn of(
        tools: &dyn FactorTools,
        context: &[&str],
        text: &str,
        client: Option<&Client>,
        now: SystemTime,
    ) -> Result<Self, Reason> {
        let sealed = sealed_text::read(text).ok_or(Reason::MalformedMfaToken)?;
        let plain = tools.open(SealedKind::MfaToken, context, sealed).ok_or(Reason::MalformedMfaToken)?;
        let challenge = Challenge::decode(&plain, client.map(Client::id)).map_err(|_| Reason::MalformedMfaToken)?;
        if challenge.expires <= now { Err(Reason::MfaTokenExpired) } else { Ok(Self(challenge)) }
    }

    pub(crate) const fn challenge(&self) -> &Challenge {
        &self.0
    }

    /// Holds it against the client that presents it: it is good for its own alone.
    pub(crate) fn bound_to(self, client: &Client) -> Result<Opened, Reason> {
        let is_own = self.0.client == *client.id();
        if is_own { Ok(Opened(Arc::new(self.0))) } else { Err(Reason::MalformedMfaToken) }
    }
}

/// A challenge that its own client presents: what the finishing of a login begins with.
pub(crate) struct Opened(Arc<Challenge>);

impl Opened {
    pub(crate) fn challenge(&self) -> &Challenge {
        &self.0
    }

    /// For what is shown to finish it.
    pub(super) fn share(&self) -> Arc<Challenge> {
        Arc::clone(&self.0)
    }
}
