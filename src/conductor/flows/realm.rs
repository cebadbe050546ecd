//! The realm grant: the password grant in a realm that the request must name.

use std::pin::Pin;

use http::Extensions;

use super::super::answer::Reply;
use super::super::login::rungs::Rungs;
use super::super::trail::Trail;
use super::grants::Flow;
use super::password::PasswordFlow;
use crate::boundary::ladder::client::PermittedClient;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::realm;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;

/// The flow of the realm grant.
pub(crate) struct RealmFlow(PasswordFlow);

impl RealmFlow {
    /// `password` serves it under the grant type of the realm grant.
    pub(crate) fn new(password: PasswordFlow) -> Self {
        Self(password)
    }
}

impl Flow for RealmFlow {
    fn grant_type(&self) -> GrantType {
        self.0.grant_type
    }

    fn missing(&self, form: &Form) -> Option<&str> {
        // A repeated one is there. It is refused where it is read.
        let no_realm = || (form.single(realm::PARAMETER) == Ok(None)).then_some(realm::PARAMETER);
        PasswordFlow::missing(form).or_else(no_realm)
    }

    fn serve<'a>(
        &'a self,
        rungs: &'a Rungs,
        client: PermittedClient,
        form: &'a mut Form,
        extensions: &'a mut Extensions,
        trail: &'a mut Trail,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TokenError>> + Send + 'a>> {
        Box::pin(self.0.serve(rungs, client, form, extensions, trail))
    }
}
