//! The second factors of an endpoint: when one is demanded, and what a login that lacks one is answered.

use std::pin::pin;
use std::sync::Arc;

use serde_json::json;

use super::deliveries::Deliveries;
use super::seals::{Seals, not_kept};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::Clock;
use crate::boundary::factors::second_factor::{FactorPolicy, SecondFactor, When};
use crate::boundary::factors::store::FactorStore;
use crate::boundary::ladder::challenge::Opened;
use crate::boundary::ladder::factor::{Shown, Spent};
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::open::OpenLogin;
use crate::boundary::once::OneTimeValues;
use crate::conductor::failure::Failure;
use crate::observe::patience::Bound;
use crate::observe::telemetry;
use crate::protocol::audience::Audience;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorKind, Channel, FactorUser};
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::factor::parameters::MFA_TOKEN;
use crate::protocol::secret::secrets::Token;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::wire::error::{Reason, TokenError};

/// What an endpoint with second factors has for them.
pub(crate) struct SecondFactors {
    pub(crate) store: Arc<dyn FactorStore>,
    /// Where challenges, and what else works once, are spent.
    pub(crate) once: Arc<dyn OneTimeValues>,
    pub(crate) seals: Seals,
    pub(crate) deliveries: Deliveries,
    pub(crate) policy: FactorPolicy,
    /// Of one call of a store.
    pub(crate) patience: Bound,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SecondFactors {
    /// `audience`: that of the endpoints. `stores` bounds a call of a store, `delivery` one of a delivery.
    pub(crate) fn new(
        given: SecondFactor,
        audience: Audience,
        [stores, delivery]: [Bound; 2],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let SecondFactor { store, once, tools, policy, deliveries, .. } = given;
        let (seals, deliveries) = (Seals::new(tools, audience), Deliveries::new(deliveries, delivery));
        Self { store, once, seals, deliveries, policy, patience: stores, clock }
    }

    /// Opens a token that this client presents, without a look-up. What is odd about it does not show, but for its age.
    pub(crate) fn open_for(&self, client: &Client, token: &str) -> Result<Opened, Reason> {
        self.seals.open_challenge(token, Some(client), self.clock.now())?.bound_to(client)
    }

    /// Whether a challenge was spent, as far as a look shows: the login that it was for has ended.
    pub(crate) async fn is_spent(&self, challenge: &Challenge) -> Result<bool, BackendError> {
        let digest = challenge.digest();
        let looking = pin!(self.once.is_spent(&digest));
        self.patience.of(looking).await
    }

    /// Spends the challenge that a factor was shown for. `None`: it was spent before.
    pub(crate) async fn spend(&self, shown: Shown) -> Result<Option<Spent>, BackendError> {
        let spending = pin!(shown.spend(&*self.once));
        self.patience.of(spending).await
    }

    /// The authenticators of a user. A store that fails is no user without a factor.
    pub(crate) async fn list(&self, user: FactorUser<'_>) -> Result<Vec<Authenticator>, BackendError> {
        let listing = pin!(self.store.list(user, self.clock.now()));
        self.patience.of(listing).await
    }

    /// Demands of a login what the settings demand. Answers the authenticators of its user, if they had to be looked up.
    pub(crate) async fn demand_of(&self, login: &mut Login) -> Result<Option<Vec<Authenticator>>, Failure> {
        let (is_demanded, listed) = match self.policy.demand {
            When::Always => (true, None),
            // Tokens that manage factors are a way around them.
            When::Ruled if !login.manages_factors() => (false, None),
            // No look-up is needed of what is there: it is demanded, and weighed.
            _ if !login.lacks_factor() => (true, None),
            _ => {
                let listed = self.list(login.factor_user()).await.map_err(store_failed)?;
                (listed.iter().any(Authenticator::is_factor), Some(listed))
            }
        };
        login.demand_by_settings(is_demanded);
        Ok(listed)
    }

    /// Leaves a login open: the refusal with what its client can go on with. `listed`: the authenticators of its user, if they were
    /// looked up. `attempt`: what is settled when the login is finished.
    pub(crate) async fn leave_open(
        &self,
        login: OpenLogin,
        listed: Option<Vec<Authenticator>>,
        attempt: Option<[u8; 32]>,
    ) -> Failure {
        if !login.client().allows_second_factor() {
            telemetry::cannot_finish(login.client().id());
            return Failure::Open(Reason::FactorRequired.into());
        }
        let listed = match listed {
            Some(listed) => listed,
            None => match self.list(login.factor_user()).await {
                Ok(listed) => listed,
                Err(error) => return store_failed(error),
            },
        };
        let requirements = self.requirements(&listed, login.counted());
        let challenge = match login.into_challenge(attempt) {
            Ok(challenge) => challenge,
            Err(error) => return store_failed(error.into()),
        };
        let sealed = self.seals.seal_challenge(&challenge);
        sealed.and_then(|token| required(&token, &requirements)).map_or_else(Failure::Untried, Failure::Open)
    }

    /// What the user can show, or can enrol where there is nothing to show.
    fn requirements(&self, listed: &[Authenticator], counted: AuthenticationMethods) -> serde_json::Value {
        let is_active = listed.iter().any(Authenticator::is_factor);
        let shown = listed.iter().filter(|one| one.is_active && !counted.contains(one.kind.method()));
        let enrolled = self.enrollable();
        let kinds: Vec<AuthenticatorKind> = if is_active { shown.map(|one| one.kind).collect() } else { enrolled };
        let mut types: Vec<&str> = Vec::new();
        for kind in kinds {
            if !types.contains(&kind.requirement()) {
                types.push(kind.requirement());
            }
        }
        let types: Vec<_> = types.into_iter().map(|name| json!({ "type": name })).collect();
        if is_active { json!({ "challenge": types }) } else { json!({ "enroll": types }) }
    }

    /// What can be enrolled.
    pub(crate) fn enrollable(&self) -> Vec<AuthenticatorKind> {
        let otp = self.policy.has_otp.then_some(AuthenticatorKind::Otp);
        let channels = Channel::ALL.into_iter().filter(|channel| self.deliveries.serve(*channel));
        otp.into_iter().chain(channels.map(AuthenticatorKind::OutOfBand)).collect()
    }
}

/// The refusal of a login that can be finished.
fn required(token: &Token, requirements: &serde_json::Value) -> Result<TokenError, TokenError> {
    let mut error = TokenError::new(Reason::FactorRequired);
    let members = &mut error.details().members;
    let set = members.set(MFA_TOKEN, token.expose()).and_then(|()| members.set("mfa_requirements", requirements));
    set.map(|()| error).map_err(|error| not_kept(BackendError::fault(error)))
}

/// The same of a charged attempt, whose charge is settled by it.
pub(crate) fn store_failed(error: BackendError) -> Failure {
    Failure::of(error, Reason::FactorStoreFailed)
}
