//! The client's door: which client calls, and is it the one (RFC 6749 sections 2.3 and 3.2.1).

use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Version};

use super::budget::Budget;
use super::failure::Failure;
use super::misfits::Misfits;
use super::purpose::Purpose;
use super::trail::{Caller, Trail};
use crate::boundary::auth_method::{AuthRequest, ClientAuthMethod};
use crate::boundary::backend::BackendError;
use crate::boundary::ladder::charge::{Guessed, OfClient};
use crate::boundary::ladder::client::{self, AuthenticatedClient};
use crate::boundary::registry::ClientRegistry;
use crate::observe::patience::{Bound, answered};
use crate::protocol::client::credentials::{self, Moment, Offer, Presented};
use crate::protocol::client::registered::{Client, is_client_id};
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::{Form, Known};
use crate::protocol::wire::head::{is_bearer, origin};

/// What the rungs and the answer need of the head of a request.
pub(crate) struct Head {
    pub(crate) version: Version,
    pub(crate) is_head_request: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
}

impl From<Parts> for Head {
    #[inline]
    fn from(Parts { method, version, headers, extensions, .. }: Parts) -> Self {
        Self { version, is_head_request: method == Method::HEAD, headers, extensions }
    }
}

impl Head {
    fn with<'a>(&'a self, form: &'a Form, hidden: &'a [&'a str]) -> AuthRequest<'a> {
        AuthRequest { headers: &self.headers, extensions: &self.extensions, form, hidden }
    }
}

/// The clients, as the application knows them.
pub(crate) struct Clients {
    pub(crate) registry: Box<dyn ClientRegistry>,
    pub(crate) patience: Bound,
    pub(crate) misfits: Misfits,
    /// Reads the wall clock, for the dates of a client.
    pub(crate) now: Box<dyn Fn() -> SystemTime + Send + Sync>,
}

/// The ways of authentication.
pub(crate) struct ClientMethods {
    /// The application's own.
    pub(crate) own: Vec<Box<dyn ClientAuthMethod>>,
    /// Of one of those.
    pub(crate) patience: Bound,
    pub(crate) post_allowed: bool,
    pub(crate) ignore_foreign_schemes: bool,
    /// The fields that prove a user here, and are not theirs.
    pub(crate) hidden: &'static [&'static str],
}

/// Finds clients and authenticates them.
pub(crate) struct Door {
    clients: Clients,
    methods: ClientMethods,
    budget: Arc<Budget>,
}

impl Door {
    pub(crate) fn new(clients: Clients, methods: ClientMethods, budget: Arc<Budget>) -> Self {
        Self { clients, methods, budget }
    }

    pub(crate) fn misfits(&self) -> &Misfits {
        &self.clients.misfits
    }

    /// Reads the wall clock.
    #[inline]
    pub(super) fn now(&self) -> Moment<'_> {
        &*self.clients.now
    }

    /// Finds out whether pages of the request's origin may read the answer, whatever it will be.
    pub(super) async fn note_origin(&self, head: &Head, trail: &mut Trail) -> Result<(), TokenError> {
        let Some(origin) = origin(&head.headers) else { return Ok(()) };
        let allowed = self.clients.registry.allows_origin(origin.to_str().unwrap_or_default());
        let allowed = trail.caller.waits(self.clients.patience.of(allowed)).await;
        if allowed.map_err(|error| error.because(Reason::RegistryFailed))? {
            trail.allowed_origin = Some(Box::new(origin.clone()));
        }
        Ok(())
    }

    /// The one way of client authentication that the request uses.
    #[inline]
    pub(super) fn present(&self, head: &Head, form: &mut Form, trail: &mut Trail) -> Result<Presented, TokenError> {
        self.present_by(head, form, self.methods.ignore_foreign_schemes, trail)
    }

    #[inline(always)]
    fn present_by(
        &self,
        head: &Head,
        form: &mut Form,
        ignore_foreign_schemes: bool,
        trail: &mut Trail,
    ) -> Result<Presented, TokenError> {
        let request = head.with(form, self.methods.hidden);
        let methods = self.methods.own.iter().enumerate();
        let mut claims = methods.filter_map(|(index, method)| method.claim(&request).map(|id| (index, id)));
        let (claim, another) = (claims.next(), claims.next());
        if another.is_some() {
            return Err(Reason::SeveralAuthentications.into());
        }
        // The id often comes from the request, so it is held to what registry and limiter may expect.
        if let Some((index, _)) = claim.as_ref().filter(|(_, id)| !is_client_id(id)) {
            return Err(self.refused_by_method(*index, &request, Reason::UnknownClient));
        }
        let presented = credentials::present(&head.headers, form, claim, ignore_foreign_schemes);
        let presented = presented.map_err(|error| refused_bearer(error, head, trail.purpose))?;
        trail.unencoded_basic = presented.is_ambiguous();
        Ok(presented)
    }

    /// Looks up the claimed id, and the other reading of an ambiguous header, whether or not the first was found. The trail keeps
    /// the client that is found.
    pub(super) async fn find(&self, presented: &Presented, form: &Form, trail: &mut Trail) -> Result<(), TokenError> {
        let Clients { registry, patience, misfits, .. } = &self.clients;
        let failed = |error: BackendError| error.because(Reason::RegistryFailed);
        // A database that ignores case may find a client of another id.
        let exactly = |id: &str, found: Option<Client>| found.filter(|client| client.id().as_str() == id);
        let id = presented.id(&form.texts);
        let found =
            answered!(registry.find_at_once(id).into_ready(), waiting => trail.caller.waits(patience.of(waiting)));
        let mut client = exactly(id, found.map_err(failed)?);
        if let Some(raw) = presented.raw_id(&form.texts) {
            let found =
                answered!(registry.find_at_once(raw).into_ready(), waiting => trail.caller.waits(patience.of(waiting)));
            let other = exactly(raw, found.map_err(failed)?);
            client = client.or(other.filter(Client::accepts_raw_basic));
        }
        misfits.tell_new(client.as_ref());
        trail.client = client;
        Ok(())
    }

    /// Finds the client of a bearer token, and authenticates what the request has of one beside it, which must be the same: the token
    /// proves its client by itself, so most requests name none.
    pub(super) async fn accompany(
        &self,
        head: &Head,
        form: &mut Form,
        id: &str,
        trail: &mut Trail,
    ) -> Result<Client, TokenError> {
        // The header has the bearer token.
        let Some(presented) = beside(self.present_by(head, form, true, trail), form)? else {
            let found = self.clients.patience.of(self.clients.registry.find_at_once(id)).await;
            let found = found.map_err(|error| error.because(Reason::RegistryFailed))?;
            trail.client = found.filter(|client| client.id().as_str() == id);
            permit_site(head, trail)?;
            return trail.client.clone().ok_or_else(|| Reason::BearerInvalid.into());
        };
        self.find(&presented, form, trail).await?;
        permit_site(head, trail)?;
        let client = self.authenticate(head, form, &presented, trail).await?.into_client();
        if client.id().as_str() == id { Ok(client) } else { Err(Reason::BearerInvalid.into()) }
    }

    /// Authenticates the client that was found. A secret is compared in one step with its charge; what the application's own
    /// method takes its time for is charged before.
    pub(super) async fn authenticate(
        &self,
        head: &Head,
        form: &Form,
        presented: &Presented,
        trail: &mut Trail,
    ) -> Result<AuthenticatedClient, TokenError> {
        if matches!(presented, Presented::Post(_)) && !self.methods.post_allowed {
            return Err(presented.refuse(Reason::WrongMethod));
        }
        let Trail { client, caller, .. } = trail;
        let client = client.as_ref();
        let client_id = client.map_or_else(|| presented.id(&form.texts), |client| client.id().as_str());
        let guessed = Guessed::client(client_id);
        match presented.offer(&form.texts) {
            Offer::Bare(bare) => AuthenticatedClient::identify(bare, client, &form.texts, self.now()),
            Offer::Secret(secret) => self.budget.check(guessed, secret, client, self.now(), caller).await,
            Offer::Method(index) => {
                let request = head.with(form, self.methods.hidden);
                Box::pin(self.prove(index, guessed, client, &request, caller)).await
            }
        }
    }

    /// Has the application's own method prove the client.
    async fn prove(
        &self,
        index: usize,
        guessed: Guessed<'_, OfClient>,
        client: Option<&Client>,
        request: &AuthRequest<'_>,
        caller: &mut Caller,
    ) -> Result<AuthenticatedClient, TokenError> {
        let refuse = |reason: Reason| self.refused_by_method(index, request, reason);
        let method = self.methods.own.get(index).ok_or_else(|| refuse(Reason::WrongMethod))?;
        let charge = self.budget.reserve(guessed, None, client, caller).await?;
        let (proving, used) = client::prove(&**method, client, request, charge);
        let proven = pin!(async {
            let proving = proving.map_err(|reason| Failure::Decided(refuse(reason)))?;
            match self.methods.patience.of(proving).await {
                Ok(proven) => proven.ok_or_else(|| Failure::Decided(refuse(Reason::WrongSecret))),
                Err(error) => Err(Failure::of(error, Reason::MethodFailed)),
            }
        });
        let address = caller.address;
        caller.waits(self.budget.settle(used, Err(proven), None, address)).await
    }

    /// A failed authentication by the application's own method, with its challenge.
    fn refused_by_method(&self, index: usize, request: &AuthRequest<'_>, reason: Reason) -> TokenError {
        let mut error = TokenError::new(reason);
        // A method does not say what it read. So a header that is there counts as the one that failed, even if the method read a
        // certificate or a field beside it: a client that reads challenges gets one too many, and never one too few.
        if !request.headers.contains_key(AUTHORIZATION) {
            error = error.by_other();
        }
        error.details().challenge = self.methods.own.get(index).map(|method| method.challenge());
        error
    }
}

/// What is presented beside a bearer token, if anything is.
fn beside(presented: Result<Presented, TokenError>, form: &Form) -> Result<Option<Presented>, TokenError> {
    match presented {
        Err(error) if error.reason == Reason::NoClient && form.span(Known::ClientSecret).is_none() => Ok(None),
        presented => presented.map(Some),
    }
}

/// The refusal of a bearer token is another one where tokens are asked about.
fn refused_bearer(error: TokenError, head: &Head, purpose: Purpose) -> TokenError {
    let is_refused = purpose == Purpose::Introspection && error.reason == Reason::UnknownScheme;
    if is_refused && is_bearer(&head.headers) { error.of_bearer_token() } else { error }
}

/// Refuses requests from pages of origins that the client does not list, before anything is charged.
#[inline]
pub(super) fn permit_site(head: &Head, trail: &mut Trail) -> Result<(), TokenError> {
    if trail.caller.is_own_site {
        return Ok(());
    }
    let origin = origin(&head.headers).ok_or(Reason::CrossSite)?;
    let lists = |client: &Client| origin.to_str().is_ok_and(|origin| client.allows_origin(origin));
    if !trail.client.as_ref().is_some_and(lists) {
        return Err(Reason::CrossSite.into());
    }
    trail.allowed_origin = Some(Box::new(origin.clone()));
    Ok(())
}
