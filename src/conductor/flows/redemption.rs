//! The grants that finish a login which was left open. Each shows a second factor in its own way, and all climb one ladder:
//!
//! ```text
//! open the token -> bound to this client -> CHARGE -> check what is shown
//!    -> the plan of the client has a place for the user -> spend what is shown
//!    -> consume the challenge -> recheck the user -> the factor counts
//!    -> WEIGH (login rules, second factor) -> ISSUE -> settle both charges
//! ```

use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::Extensions;
use zeroize::Zeroizing;

use super::super::answer::Reply;
use super::super::factors::second_factors::SecondFactors;
use super::super::failure::Failure;
use super::super::login::resume::Resumed;
use super::super::login::rungs::Rungs;
use super::super::trail::Trail;
use super::grants::Flow;
use crate::boundary::ladder::challenge::Opened;
use crate::boundary::ladder::charge::UsedCharge;
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::exception::LookedUp;
use crate::boundary::ladder::factor::Shown;
use crate::boundary::ladder::terms::Terms;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::factor::authenticator::FactorUser;
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::factor::parameters::MFA_TOKEN;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::Form;

/// A way to show a second factor.
pub(crate) trait Way: Send + Sync {
    fn grant_type(&self) -> GrantType;

    /// The parameter beside `mfa_token` that a request must have. A repeated one is there: it is refused where it is read.
    fn parameter(&self) -> &'static str;

    /// Why the client learns that what it shows is wrong.
    fn wrong(&self) -> Reason;

    /// Charges what is guessed, checks it, and spends what works once. `Err`: nothing was charged that is still to be settled.
    fn show<'a>(&'a self, request: Showing<'a>) -> impl Future<Output = Result<Checked, TokenError>> + Send + 'a;
}

/// What a way is asked to check.
pub(crate) struct Showing<'a> {
    pub(crate) form: &'a Form,
    pub(crate) opened: &'a Opened,
    pub(crate) terms: &'a Terms,
    pub(crate) factors: &'a SecondFactors,
    pub(crate) rungs: &'a Rungs,
    pub(crate) trail: &'a mut Trail,
}

impl<'a> Showing<'a> {
    /// The user whose factor it is.
    pub(crate) fn user(&self) -> FactorUser<'a> {
        self.opened.challenge().user()
    }
}

/// What was checked, with the charge that it was checked for.
pub(crate) struct Checked {
    pub(crate) charge: UsedCharge,
    pub(crate) ended: Result<Found, Failure>,
}

/// A second factor that was shown right.
pub(crate) struct Found {
    pub(crate) shown: Shown,
    /// A member of the answer, with its value.
    pub(crate) member: Option<(&'static str, Zeroizing<String>)>,
    /// What a look-up has found, if one was asked before it was shown.
    pub(crate) looked_up: Option<LookedUp>,
}

impl From<Shown> for Found {
    fn from(shown: Shown) -> Self {
        Self { shown, member: None, looked_up: None }
    }
}

/// The flow of a way.
pub(crate) struct RedemptionFlow<W> {
    way: W,
    factors: Arc<SecondFactors>,
    /// The grant types by which a login can have begun.
    began: Arc<[GrantType]>,
}

impl<W: Way> RedemptionFlow<W> {
    pub(crate) fn new(way: W, factors: Arc<SecondFactors>, began: Arc<[GrantType]>) -> Self {
        Self { way, factors, began }
    }

    async fn run(
        &self,
        rungs: &Rungs,
        permitted: PermittedClient,
        form: &Form,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let client = permitted.client().clone();
        let outcome = self.redeem(rungs, permitted, form, extensions, trail).await;
        rungs.count_unknown(&outcome, &client, trail).await?;
        outcome
    }

    async fn redeem(
        &self,
        rungs: &Rungs,
        permitted: PermittedClient,
        form: &Form,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let token = form.single(MFA_TOKEN)?.unwrap_or_default();
        let opened = self.factors.open_for(permitted.client(), token)?;
        let finished = self.go_on(rungs, (permitted, &opened), form, extensions, trail).await;
        finished.map_err(|error| error.of_user(&opened.challenge().subject))
    }

    /// Goes on with a login that was opened.
    async fn go_on(
        &self,
        rungs: &Rungs,
        (permitted, opened): (PermittedClient, &Opened),
        form: &Form,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let factors = &*self.factors;
        let terms = rungs.terms_of_open(permitted, opened, self.began(opened.challenge())?)?;
        trail.realm = terms.realm().clone();
        let attempt = opened.challenge().attempt;

        let showing = Showing { form, opened, terms: &terms, factors, rungs, trail };
        let Checked { charge, ended } = self.way.show(showing).await?;
        let (address, extensions) = (trail.caller.address, mem::take(extensions));
        let finishing = pin!(async {
            let Found { shown, member, looked_up } = ended?;
            let resumed = Resumed { terms, shown, member, looked_up, wrong: self.way.wrong() };
            rungs.resume(factors, resumed, extensions, trail).await
        });
        rungs.settle_resumed(charge, finishing, attempt, address).await
    }

    /// The grant type by which the login began, if it is served still.
    fn began(&self, challenge: &Challenge) -> Result<GrantType, Reason> {
        let began = self.began.iter().find(|grant| grant.name() == challenge.grant_type);
        began.copied().ok_or(Reason::MalformedMfaToken)
    }
}

impl<W: Way> Flow for RedemptionFlow<W> {
    fn grant_type(&self) -> GrantType {
        self.way.grant_type()
    }

    fn missing(&self, form: &Form) -> Option<&str> {
        [MFA_TOKEN, self.way.parameter()].into_iter().find(|name| form.single(name) == Ok(None))
    }

    fn serve<'a>(
        &'a self,
        rungs: &'a Rungs,
        client: PermittedClient,
        form: &'a mut Form,
        extensions: &'a mut Extensions,
        trail: &'a mut Trail,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TokenError>> + Send + 'a>> {
        Box::pin(self.run(rungs, client, form, extensions, trail))
    }
}
