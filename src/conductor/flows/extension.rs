//! Grants of the application's own (RFC 6749 section 4.5).

use std::mem;
use std::pin::Pin;

use http::Extensions;

use super::super::answer::Reply;
use super::super::login::finish::Decided;
use super::super::login::rungs::Rungs;
use super::super::trail::Trail;
use super::grants::Flow;
use crate::boundary::extension::{ExtensionGrant, ExtensionRequest};
use crate::boundary::ladder::charge::UserCharge;
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::user;
use crate::observe::patience::Bound;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::Form;

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
        let task = rungs.task().await;
        let terms = rungs.terms(client, form)?;
        trail.realm = terms.realm().clone();
        let (extensions, case) = rungs.share(mem::take(extensions), task, &terms, trail);
        let request = ExtensionRequest {
            form: mem::take(form),
            client: terms.client().clone(),
            realm: terms.realm().clone(),
            scope: terms.scope().clone(),
            address: trail.caller.address,
            extensions,
        };
        let realm = terms.realm().as_deref();
        let account = trail.caller.waits(self.look_up.of(self.grant.account_key(&request))).await;
        let account = account.map_err(|error| error.because(Reason::ExtensionFailed))?;
        // What names no account still counts on the address.
        let (charge, owner) = match &account {
            Some(account) => {
                let (charge, owner) = rungs.charge(realm, account, None, trail).await?;
                (UserCharge::Account(charge), owner)
            }
            None => (UserCharge::Nobody(rungs.charge_address(trail).await?), None),
        };
        drop(account);

        let (exchanging, charge) = user::exchange(&*self.grant, request, charge);
        let answer = rungs.users().check(self.exchange.of(exchanging).await, realm);
        let failure = Reason::ExtensionFailed;
        rungs.finish(terms, Decided { answer, failure, charge, owner, case }, trail).await
    }
}

impl Flow for ExtensionFlow {
    fn grant_type(&self) -> GrantType {
        self.grant_type
    }

    fn missing(&self, form: &Form) -> Option<&str> {
        self.grant.required_fields().iter().copied().find(|name| form.grant_field(name).is_none())
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
