//! Grants of the application's own (RFC 6749 section 4.5).

use std::mem;
use std::pin::Pin;

use http::Extensions;

use super::super::answer::Reply;
use super::super::issue::issue;
use super::super::login;
use super::super::rungs::Rungs;
use super::super::trail::Trail;
use super::grants::Flow;
use crate::boundary::extension::{ExtensionGrant, ExtensionRequest};
use crate::boundary::ladder::charge::{Guessed, UserCharge};
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user;
use crate::observe::patience::Bound;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::{Form, Known};
use crate::protocol::grant_type::GrantType;

/// The flow of one of them.
pub(crate) struct ExtensionFlow {
    grant_type: GrantType,
    grant: Box<dyn ExtensionGrant>,
    look_up: Bound,
    exchange: Bound,
}

impl ExtensionFlow {
    /// `look_up` bounds what finds an account, `exchange` what decides.
    pub(crate) fn new(grant_type: GrantType, grant: Box<dyn ExtensionGrant>, look_up: Bound, exchange: Bound) -> Self {
        Self { grant_type, grant, look_up, exchange }
    }

    async fn run(
        &self,
        rungs: &Rungs,
        client: PermittedClient,
        form: &mut Form,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let terms = Terms::of(client, form.get(Known::Scope), &rungs.rules)?;
        trail.realm = terms.realm().clone();
        let request = ExtensionRequest {
            form: mem::take(form),
            client: terms.client().clone(),
            realm: terms.realm().clone(),
            scope: terms.scope().clone(),
            address: trail.address,
            extensions: mem::take(extensions),
        };
        let realm = terms.realm().as_deref();
        let account = self.look_up.of(self.grant.account_key(&request)).await;
        let account = account.map_err(|error| error.because(Reason::ExtensionFailed))?;
        trail.account = account.as_ref().and_then(|account| rungs.auditor.digest(account));
        // What names no account still counts on the address.
        let (charge, owner) = match &account {
            Some(account) => {
                let charge = rungs.budget.reserve(Guessed::account(realm, account), None, trail).await?;
                (UserCharge::Account(charge), rungs.budget.notices().owner(realm, account))
            }
            None => (UserCharge::Nobody(rungs.budget.reserve(Guessed::nobody(), None, trail).await?), None),
        };
        drop(account);

        let (exchanging, used) = user::exchange(&*self.grant, request, charge);
        let answer = self.exchange.of(exchanging).await;
        let login = login::conclude(rungs, answer, Reason::ExtensionFailed, terms);
        let grant = rungs.scales.weigh(login, trail).end().await;
        let issued = issue(rungs, grant, trail).await;
        rungs.budget.settle(used, issued, owner, trail.address).await
    }
}

impl Flow for ExtensionFlow {
    fn grant_type(&self) -> &GrantType {
        &self.grant_type
    }

    fn is_complete(&self, form: &Form) -> bool {
        self.grant.required_fields().iter().all(|name| form.grant_field(name).is_some())
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
