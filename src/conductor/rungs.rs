//! The single rungs of the ladder that need a trait of the application.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::SystemTime;

use http::Extensions;

use super::answer::Reply;
use super::endpoint::{Endpoint, Head};
use super::purpose::Purpose;
use super::trail::Trail;
use crate::boundary::account::{AccountKey, AccountKeyKind};
use crate::boundary::auth_method::AuthRequest;
use crate::boundary::backend::{BackendError, BackendErrorKind, LostDecision};
use crate::boundary::extension::ExtensionRequest;
use crate::boundary::ladder::charge::{self, Charge, Guessed, Kind, OfClient, UsedCharge};
use crate::boundary::ladder::client::{self, AuthenticatedClient};
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::{Answer, VerifiedUser};
use crate::boundary::limiter::{AttemptKey, BegunLock, Fingerprint, Guess, Refusal, Settlement};
use crate::boundary::notifier::LockNotice;
use crate::boundary::verifier::{Denial, Said};
use crate::observe::patience::{Overdue, Within};
use crate::protocol::client::{Client, is_client_id};
use crate::protocol::credentials::{self, Offer, Presented, Secret};
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::{Form, Known};
use crate::protocol::head::{is_bearer, origin};
use crate::protocol::response::IssuedTokens;
use crate::protocol::scope::Scope;
use crate::protocol::secrets::Password;

impl Endpoint {
    /// Finds out whether pages of the request's origin may read the answer, whatever it will be.
    pub(super) async fn note_origin(&self, head: &Head, trail: &mut Trail) -> Result<(), TokenError> {
        let Some(origin) = origin(&head.headers) else { return Ok(()) };
        let allowed = self.registry.allows_origin(origin.to_str().unwrap_or_default());
        let allowed = self.patience.registry.of(allowed).await;
        if allowed.map_err(|error| error.because(Reason::RegistryFailed))? {
            trail.allowed_origin = Some(Box::new(origin.clone()));
        }
        Ok(())
    }

    /// The one way of client authentication that the request uses.
    pub(super) fn present(&self, head: &Head, form: &mut Form, trail: &mut Trail) -> Result<Presented, TokenError> {
        let request = AuthRequest { headers: &head.headers, extensions: &head.extensions, form };
        let mut claims =
            self.methods.iter().enumerate().filter_map(|(index, method)| method.claim(&request).map(|id| (index, id)));
        let (claim, another) = (claims.next(), claims.next());
        if another.is_some() {
            return Err(Reason::SeveralAuthentications.into());
        }
        // The id often comes from the request, so it is held to what registry and limiter may expect.
        if let Some((index, _)) = claim.as_ref().filter(|(_, id)| !is_client_id(id)) {
            return Err(self.refused_by_method(*index, Reason::UnknownClient));
        }
        let presented = credentials::present(&head.headers, form, claim, self.ignore_foreign_schemes);
        let presented = presented.map_err(|error| refused_bearer(error, head, trail.purpose))?;
        trail.unencoded_basic = presented.is_ambiguous();
        Ok(presented)
    }

    /// Looks up the claimed id, and the other reading of an ambiguous header, whether or not the first was found.
    pub(super) async fn find_client(
        &self,
        presented: &Presented,
        form: &Form,
        trail: &mut Trail,
    ) -> Result<Option<Client>, TokenError> {
        let failed = |error: BackendError| error.because(Reason::RegistryFailed);
        // A database that ignores case may find a client of another id.
        let exactly = |id: &str, found: Option<Client>| found.filter(|client| client.id().as_str() == id);
        let id = presented.id(&form.texts);
        let mut client = exactly(id, self.patience.registry.of(self.registry.find(id)).await.map_err(failed)?);
        if let Some(raw) = presented.raw_id(&form.texts) {
            let other = exactly(raw, self.patience.registry.of(self.registry.find(raw)).await.map_err(failed)?);
            client = client.or(other.filter(Client::accepts_raw_basic));
        }
        trail.client.clone_from(&client);
        self.misfits.tell_new(client.as_ref());
        Ok(client)
    }

    /// Refuses requests from pages of origins that the client does not list, before anything is charged.
    pub(super) fn permit_site(
        &self,
        head: &Head,
        client: Option<&Client>,
        trail: &mut Trail,
    ) -> Result<(), TokenError> {
        if trail.is_own_site {
            return Ok(());
        }
        let origin = origin(&head.headers).ok_or(Reason::CrossSite)?;
        let lists = |client: &Client| origin.to_str().is_ok_and(|origin| client.allows_origin(origin));
        if !client.is_some_and(lists) {
            return Err(Reason::CrossSite.into());
        }
        trail.allowed_origin = Some(Box::new(origin.clone()));
        Ok(())
    }

    /// Authenticates the client. A secret is compared in one step with its charge; what the application's own method takes
    /// its time for is charged before.
    pub(super) async fn authenticate(
        &self,
        head: &Head,
        form: &Form,
        presented: &Presented,
        client: Option<Client>,
        now: SystemTime,
        trail: &mut Trail,
    ) -> Result<AuthenticatedClient, TokenError> {
        if matches!(presented, Presented::Post(_)) && !self.post_allowed {
            return Err(presented.refuse(Reason::WrongMethod));
        }
        let client_id = client.as_ref().map_or(presented.id(&form.texts), |client| client.id().as_str());
        let guessed = Guessed::client(client_id);
        match presented.offer(&form.texts) {
            Offer::Bare(bare) => AuthenticatedClient::identify(bare, client, &form.texts, now),
            Offer::Secret(secret) => self.check(guessed, secret, client.as_ref(), now, trail).await,
            Offer::Method(index) => {
                let request = AuthRequest { headers: &head.headers, extensions: &head.extensions, form };
                Box::pin(self.prove(index, guessed, client.as_ref(), &request, trail)).await
            }
        }
    }

    /// Has the limiter check a client's secret.
    // A block, because an async function would hold its arguments twice.
    fn check<'a>(
        &'a self,
        guessed: Guessed<'a, OfClient>,
        secret: Secret<'a>,
        client: Option<&'a Client>,
        now: SystemTime,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<AuthenticatedClient, TokenError>> + Send + 'a {
        let keyed = guessed.from(trail.address, trail.is_exempt, None);
        async move {
            let checking = client::check(&*self.limiter, &keyed, secret, client, now);
            let mut checked = match self.patience.limiter.of(checking).await {
                Ok(Ok(checked)) => checked,
                Ok(Err(refusal)) => return Err(self.refused(refusal, keyed.key(), trail)),
                Err(error) => return Err(error.because(Reason::LimiterFailed)),
            };
            trail.monitored = checked.monitored().or(trail.monitored);
            if let Some((again, error)) = checked.take_unsettled() {
                Box::pin(self.settle_again(again, error)).await;
            }
            checked.conclude()
        }
    }

    /// From here on the end user's address counts, if the client is one that may name it. What it did to authenticate
    /// was counted on the address that it came from.
    pub(super) fn note_end_user(&self, head: &Head, client: &AuthenticatedClient, trail: &mut Trail) {
        if client.client().trusts_end_user_address()
            && let Some((address, is_exempt)) = self.gate.senders().end_user(&head.headers)
        {
            trail.address = Some(address);
            trail.is_exempt = is_exempt;
        }
    }

    /// Has the application's own method prove the client.
    async fn prove(
        &self,
        index: usize,
        guessed: Guessed<'_, OfClient>,
        client: Option<&Client>,
        request: &AuthRequest<'_>,
        trail: &mut Trail,
    ) -> Result<AuthenticatedClient, TokenError> {
        let refuse = |reason: Reason| self.refused_by_method(index, reason);
        let method = self.methods.get(index).ok_or_else(|| refuse(Reason::WrongMethod))?;
        let charge = self.reserve(guessed, None, trail).await?;
        let (proving, used) = client::prove(&**method, client, request, charge);
        let proven = match proving {
            Ok(proving) => match self.patience.client_method.of(proving).await {
                Ok(proven) => proven.ok_or_else(|| Failure::Decided(refuse(Reason::WrongSecret))),
                Err(error) => Err(Failure::of(error, Reason::MethodFailed)),
            },
            Err(reason) => Err(Failure::Decided(refuse(reason))),
        };
        let (outcome, settlement) = Failure::settle(proven);
        self.settle(used, settlement).await;
        outcome
    }

    /// A failed authentication by the application's own method, with its challenge.
    fn refused_by_method(&self, index: usize, reason: Reason) -> TokenError {
        let mut error = TokenError::new(reason);
        error.details().challenge = self.methods.get(index).map(|method| method.challenge());
        error
    }

    /// Tells equal attempts on equal accounts apart from others; nobody without the key could. The fields that the endpoint
    /// does not know are part of it: a verifier may take a code from one.
    pub(super) fn fingerprint(&self, realm: Option<&str>, account: &AccountKey<'_>, form: &Form) -> Fingerprint {
        let secret = form.get(Known::Password).unwrap_or_default();
        let realm_len = realm.map_or(0, str::len);
        // Realms and names are far shorter than 2^24 bytes.
        let lengths = (realm_len as u64) << 32 ^ account.as_str().len() as u64;
        let digest = self.fingerprints.begin().number(lengths).bytes(realm.unwrap_or_default().as_bytes());
        let digest = digest.bytes(account.as_str().as_bytes()).bytes(secret.as_bytes());
        let digest = form.others().fold(digest, |digest, (name, value)| {
            let lengths = (name.len() as u64) << 32 ^ value.len() as u64;
            digest.number(lengths).bytes(name.as_bytes()).bytes(value.as_bytes())
        });
        Fingerprint::new(digest.finish())
    }

    /// Charges one attempt.
    // This and what follows are blocks, because an async function would hold its arguments twice.
    pub(super) fn reserve<'a, Of: Kind + 'a>(
        &'a self,
        guessed: Guessed<'a, Of>,
        fingerprint: Option<Fingerprint>,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Charge<Of>, TokenError>> + Send + 'a {
        let keyed = guessed.from(trail.address, trail.is_exempt, fingerprint);
        async move {
            match self.patience.limiter.of(charge::reserve(&*self.limiter, &keyed)).await {
                Ok(Ok(charge)) => {
                    trail.monitored = charge.monitored().or(trail.monitored);
                    Ok(charge)
                }
                Ok(Err(refusal)) => Err(self.refused(refusal, keyed.key(), trail)),
                Err(error) => Err(error.because(Reason::LimiterFailed)),
            }
        }
    }

    /// The face of a refusal, whose rule is noted, and whose lock is told to the owner of the account.
    fn refused(&self, refusal: Refusal, key: &AttemptKey<'_>, trail: &mut Trail) -> TokenError {
        if let (Some(lock), Guess::Account { realm, account }) = (refusal.new_lock, key.guess) {
            self.tell_owner(lock, realm, account, trail.address);
        }
        trail.rule = Some(refusal.rule);
        let error = TokenError::new(refusal.rule.reason());
        let is_concealed = self.conceals_account_locks
            && refusal.rule.is_of_account()
            && trail.client.as_ref().is_some_and(Client::is_public);
        match (is_concealed, refusal.address_wait()) {
            (false, _) => error.with_retry_after(refusal.retry_after),
            // What is told of every name at this address.
            (true, Some(wait)) => error.with_retry_after(wait),
            (true, None) => error.into_plain_denial(),
        }
    }

    /// Whom to tell of a lock, if anybody is to be told.
    pub(super) fn owner(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Option<Box<Owner>> {
        self.notifier.as_ref().map(|_| Box::new((realm.map(str::to_owned), account.clone().into_owned())))
    }

    /// Tells of a lock that has begun by this attempt.
    pub(super) fn notify(&self, lock: Option<BegunLock>, owner: Option<Box<Owner>>, trail: &Trail) {
        if let (Some(lock), Some(owner)) = (lock, owner) {
            let (realm, account) = &*owner;
            self.tell_owner(lock, realm.as_deref(), account, trail.address);
        }
    }

    fn tell_owner(&self, lock: BegunLock, realm: Option<&str>, account: &AccountKey<'_>, address: Option<IpAddr>) {
        // An unknown name has no owner.
        let Some(notifier) = self.notifier.as_ref().filter(|_| account.kind() != AccountKeyKind::Phantom) else {
            return;
        };
        let notice = LockNotice { rule: lock.rule, realm, account, address, lasts: lock.lasts };
        if catch_unwind(AssertUnwindSafe(|| notifier.locked(&notice))).is_err() {
            crate::observe::telemetry::notifier_failed();
        }
    }

    /// Settles a charge, and gives the lock that began by it. If the limiter fails here, also at a second try, the charge
    /// stays, which is the safe side; the answer stands.
    pub(super) fn settle(
        &self,
        used: UsedCharge,
        settlement: Settlement,
    ) -> impl Future<Output = Option<BegunLock>> + Send + '_ {
        let (settling, again) = used.settle(&*self.limiter, settlement);
        let settling = self.patience.limiter.of(settling);
        async move {
            match settling.await {
                Ok(lock) => lock,
                Err(error) => Box::pin(self.settle_again(again, error)).await,
            }
        }
    }

    /// What the form says, as an attempt takes it.
    pub(super) fn said(form: Form, terms: &Terms, extensions: Extensions, trail: &Trail) -> Result<Said, TokenError> {
        let username = form.span(Known::Username).ok_or(Reason::MissingParameter)?;
        let password = form.span(Known::Password).ok_or(Reason::MissingParameter)?;
        let (texts, fields) = form.into_parts();
        Ok(Said {
            username,
            password: Password::within(texts, password),
            fields,
            client: terms.client().clone(),
            scope: terms.scope().clone(),
            address: trail.address,
            extensions,
        })
    }

    pub(super) fn extension_request(
        form: Form,
        terms: &Terms,
        extensions: Extensions,
        trail: &Trail,
    ) -> ExtensionRequest {
        ExtensionRequest {
            form,
            client: terms.client().clone(),
            scope: terms.scope().clone(),
            address: trail.address,
            extensions,
        }
    }

    /// Takes the answer about the user, and concludes the login.
    #[inline]
    pub(super) fn judge(&self, answer: Answer<VerifiedUser>, failure: Reason, terms: Terms) -> Result<Login, Failure> {
        match answer {
            Ok(Ok(user)) => Login::of(terms, user, self.clock.now()).map_err(|reason| Failure::Decided(reason.into())),
            Ok(Err(denial)) => {
                let error = TokenError::new(denial.reason());
                Err(Failure::Decided(match denial {
                    Denial::Custom(code) if self.reveal_custom_denials => error.with_host_code(code),
                    _ => error,
                }))
            }
            Err(error) => Err(Failure::of(error, failure)),
        }
    }

    /// Issues the tokens of a grant, with a refresh token if the client gets any.
    pub(super) fn issue<'a>(
        &'a self,
        grant: Result<Grant, Failure>,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send + 'a {
        let begun = grant.map(|grant| match self.refresh_tokens_for(&grant) {
            None if self.can_recheck && grant.begins_password_login() => {
                Begun::Boxed(Box::pin(self.issue_with_second_look(grant, trail)))
            }
            None => Begun::Access(self.begin_issue(grant, trail)),
            Some(refresh) => Begun::Boxed(Box::pin(self.issue_with_refresh(refresh, grant, trail))),
        });
        async move {
            match begun? {
                Begun::Access((scope, issuing)) => write_answer(checked(issuing.await)?, &scope),
                Begun::Boxed(issuing) => issuing.await,
            }
        }
    }

    /// Issues the access token of a grant, which is fit to be sent.
    pub(super) async fn mint(&self, grant: Grant, trail: &mut Trail) -> Result<(IssuedTokens, Scope), Failure> {
        let (scope, issuing) = self.begin_issue(grant, trail);
        Ok((checked(issuing.await)?, scope))
    }

    fn begin_issue(&self, grant: Grant, trail: &mut Trail) -> (Scope, Issuing<'_>) {
        if self.auditor.is_observed() {
            trail.issued = Some(Box::new((grant.subject().clone(), grant.scope().clone())));
        }
        (grant.scope().clone(), self.patience.issuer.of(self.issuer.issue(grant)))
    }
}

/// What an issuer is at.
type Issuing<'a> = Within<'a, Pin<Box<dyn Future<Output = Result<IssuedTokens, BackendError>> + Send + 'a>>>;

/// The tokens that are being issued: the access token alone, or with what belongs to it.
enum Begun<'a> {
    Access((Scope, Issuing<'a>)),
    Boxed(Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + 'a>>),
}

/// The realm and key of an account.
pub(super) type Owner = (Option<String>, AccountKey<'static>);

/// Why a charged attempt did not end well.
pub(super) enum Failure {
    /// The attempt was wrong or may not have what it asks for: it stays charged.
    Decided(TokenError),
    /// Something of the application failed: the account's charge goes back.
    Undecided(TokenError),
    /// It was no guess: there was too much work to try it, or it was right and nothing could be issued.
    Untried(TokenError),
}

impl Failure {
    /// What the client is told.
    pub(super) fn into_error(self) -> TokenError {
        match self {
            Self::Decided(error) | Self::Undecided(error) | Self::Untried(error) => error,
        }
    }

    fn of(error: BackendError, reason: Reason) -> Self {
        match error.kind {
            // Only what a part tells itself gives a charge back.
            _ if Overdue::cut_a_decision(&error) || LostDecision::is_in(&error) => Self::Decided(error.because(reason)),
            BackendErrorKind::Overloaded => Self::Untried(error.because(reason)),
            BackendErrorKind::Unavailable | BackendErrorKind::Fault => Self::Undecided(error.because(reason)),
        }
    }

    /// How the charge of an attempt with this end is settled: only a full success is forgotten, a denial stays charged.
    pub(super) fn settle<T>(outcome: Result<T, Self>) -> (Result<T, TokenError>, Settlement) {
        match outcome {
            Ok(value) => (Ok(value), Settlement::Success),
            Err(Self::Decided(error)) => {
                // What looks like a wrong password counts like one, or the next request would tell what this one hides.
                let settlement = if error.is_plain_denial() { Settlement::Denied } else { Settlement::Refused };
                (Err(error), settlement)
            }
            Err(Self::Undecided(error)) => (Err(error), Settlement::Undecided),
            Err(Self::Untried(error)) => (Err(error), Settlement::Untried),
        }
    }
}

/// The refusal of a bearer token is another one where tokens are asked about.
fn refused_bearer(error: TokenError, head: &Head, purpose: Purpose) -> TokenError {
    let is_refused = purpose == Purpose::Introspection && error.reason == Reason::UnknownScheme;
    if is_refused && is_bearer(&head.headers) { error.of_bearer_token() } else { error }
}

fn checked(issued: Result<IssuedTokens, BackendError>) -> Result<IssuedTokens, Failure> {
    let issued = issued.map_err(|error| Failure::Untried(error.because(Reason::IssuerFailed)))?;
    issued.check().map_err(|reason| Failure::Untried(reason.into()))?;
    Ok(issued)
}

pub(super) fn write_answer(issued: IssuedTokens, scope: &Scope) -> Result<Reply, Failure> {
    issued.to_json(scope).map(Reply::Tokens).map_err(|reason| Failure::Untried(reason.into()))
}
