//! The grants that are served. Another one is a file beside this with its [`Flow`], and a line where the endpoint is put together.
//! What it adds to the protocol has a place there: its name in `client::grant_type`, the parameters that it reads in `form::Known`
//! (but for one that only some clients know: `Form::single` reads it), and a method of `ClientBuilder` that allows it.

use std::pin::Pin;

use http::Extensions;

use super::super::answer::Reply;
use super::super::login::rungs::Rungs;
use super::super::trail::Trail;
use super::password::PasswordFlow;
use crate::boundary::ladder::client::PermittedClient;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;

/// What serves a grant.
pub(crate) trait Flow: Send + Sync {
    fn grant_type(&self) -> GrantType;

    /// The first parameter that the grant needs and that is not there, or has no value.
    fn missing(&self, form: &Form) -> Option<&str>;

    /// Serves a client that may use the grant.
    fn serve<'a>(
        &'a self,
        rungs: &'a Rungs,
        client: PermittedClient,
        form: &'a mut Form,
        extensions: &'a mut Extensions,
        trail: &'a mut Trail,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TokenError>> + Send + 'a>>;
}

/// The flows. That of the password is no trait object: its future lies within that of the request, and costs no box.
pub(crate) struct Grants {
    password: Option<PasswordFlow>,
    others: Vec<Box<dyn Flow>>,
}

impl Grants {
    pub(crate) fn new(password: Option<PasswordFlow>, others: Vec<Box<dyn Flow>>) -> Self {
        Self { password, others }
    }

    /// Adds a flow, unless its grant type is served by a grant of the application's own.
    pub(crate) fn add(&mut self, flow: Box<dyn Flow>) {
        if self.named(flow.grant_type().name()).is_none() {
            self.others.push(flow);
        }
    }

    /// The grant types that are served.
    pub(crate) fn types(&self) -> impl Iterator<Item = GrantType> {
        let password = self.password.iter().map(|flow| flow.grant_type);
        password.chain(self.others.iter().map(|flow| flow.grant_type()))
    }

    /// The flow of this grant type, if it is served.
    #[inline]
    pub(crate) fn named(&self, name: &str) -> Option<Served<'_>> {
        if let Some(password) = self.password.as_ref().filter(|flow| flow.grant_type.name() == name) {
            return Some(Served::Password(password));
        }
        self.others.iter().find(|flow| flow.grant_type().name() == name).map(|flow| Served::Other(&**flow))
    }
}

/// A grant that is served, with its flow.
pub(crate) enum Served<'a> {
    Password(&'a PasswordFlow),
    Other(&'a dyn Flow),
}

impl Served<'_> {
    pub(crate) fn grant_type(&self) -> GrantType {
        match self {
            Self::Password(flow) => flow.grant_type,
            Self::Other(flow) => flow.grant_type(),
        }
    }

    /// The first parameter that the grant needs and that is not there, or has no value.
    pub(crate) fn missing(&self, form: &Form) -> Option<&str> {
        match self {
            Self::Password(_) => PasswordFlow::missing(form),
            Self::Other(flow) => flow.missing(form),
        }
    }
}
