//! Refresh tokens: given with a login, taken back for the next (RFC 6749 section 6, RFC 9700 section 4.14.2).
//!
//! The order is that of the ladder: whose token it is, whether it still lives, what it may give, whether its user may still be
//! logged in, and only then the access token and, as the last step, the rotation. What fails before costs the client nothing,
//! and what is minted while the family ends is never sent.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::answer::Reply;
use super::endpoint::Endpoint;
use super::rungs::{Failure, write_answer};
use super::trail::Trail;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::Clock;
use crate::boundary::ladder::charge::Guessed;
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::Renewal;
use crate::boundary::ladder::user;
use crate::boundary::refresh::{NewFamily, RefreshTokenStore, StoredFamily};
use crate::boundary::refresh_use::{Used, use_token};
use crate::protocol::client::{Client, REFRESH_TOKEN};
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::family::{FamilyId, RefreshFamily};
use crate::protocol::form::{Form, Known};
use crate::protocol::grant_type::GrantType;
use crate::protocol::keyed::Keyed;
use crate::protocol::lineage::{Decision, Lineage, Salt, TokenUse};
use crate::protocol::refresh_token::{Place, RefreshToken};
use crate::protocol::response::IssuedTokens;
use crate::protocol::secrets::fill_random;
use crate::protocol::steps::{Reading, Steps};

/// The store of refresh tokens, and how long they live for clients that have no rules of their own.
pub(crate) struct RefreshTokens {
    /// `refresh_token`.
    pub(crate) grant_type: GrantType,
    pub(crate) store: Box<dyn RefreshTokenStore>,
    pub(crate) lifetime: Duration,
    pub(crate) idle_lifetime: Duration,
    pub(crate) leeway: Duration,
    /// A refresh that the verifier denies ends the login.
    pub(crate) ends_denied: bool,
    pub(crate) steps: Mutex<Steps>,
    /// Groups subjects by their places.
    pub(crate) places: Keyed,
}

/// A refresh token and the family that it was presented for.
pub(super) struct FoundRefreshToken {
    token: RefreshToken,
    pub(super) stored: StoredFamily,
}

impl RefreshTokens {
    fn lifetime(&self, client: &Client) -> Duration {
        client.refresh_rules().lifetime.unwrap_or(self.lifetime)
    }

    fn idle_lifetime(&self, client: &Client) -> Duration {
        client.refresh_rules().idle_lifetime.unwrap_or(self.idle_lifetime)
    }

    fn leeway(&self, client: &Client) -> Duration {
        client.refresh_rules().leeway.unwrap_or(self.leeway)
    }

    /// Whether the time since `used` cannot be told, so that its token is spent.
    ///
    /// A clock that is a little behind is that of another server. One that is further behind was set back, and then nothing
    /// tells how long ago the token was used.
    fn is_doubtful(&self, used: SystemTime, leeway: Duration, now: SystemTime) -> bool {
        used.duration_since(now).is_ok_and(|behind| behind > leeway) || !self.lock_steps().can_tell(used)
    }

    fn place(&self, grant: &Grant) -> Place {
        Place::of(&self.places, grant.realm(), grant.subject().id())
    }

    /// What the wall clock shows. It is read under the lock, so that readings are noted in the order in which they were made.
    fn read_clocks(&self, clock: &dyn Clock) -> SystemTime {
        let mut steps = self.lock_steps();
        let shown = Reading::of(|| clock.elapsed(), || clock.now());
        steps.observe(shown);
        shown.wall
    }

    /// Whole at each moment, also after a panic of the clock.
    fn lock_steps(&self) -> MutexGuard<'_, Steps> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the token could be used for a refresh by this client.
    pub(super) fn is_usable(&self, found: &FoundRefreshToken, client: &Client, now: SystemTime) -> bool {
        let StoredFamily { family, lineage, is_ended, .. } = &found.stored;
        let is_over = family.is_over(lineage.last_used(), self.idle_lifetime(client), now) || family.is_early(now);
        let is_allowed = client.allows_grant(REFRESH_TOKEN) && !is_withdrawn(family, client);
        !is_ended && lineage.is_live(found.token.digest()) && !is_over && is_allowed
    }

    /// When the token is over if nobody uses it.
    pub(super) fn end_of(&self, found: &FoundRefreshToken, client: &Client) -> SystemTime {
        let expires = found.stored.family.expires();
        let idle = found.stored.lineage.last_used().checked_add(self.idle_lifetime(client));
        idle.map_or(expires, |idle| idle.min(expires))
    }
}

fn store_failed(error: BackendError) -> TokenError {
    error.because(Reason::RefreshStoreFailed)
}

/// Whether the token is this client's: issued to it, in the realm that it still is bound to.
pub(super) fn is_own(family: &RefreshFamily, client: &Client) -> bool {
    family.client() == client.id() && family.realm() == client.realm()
}

/// Whether the client may not use the grant type of the login any more.
fn is_withdrawn(family: &RefreshFamily, client: &Client) -> bool {
    family.grant_type().is_some_and(|login| !client.allows_grant(login))
}

impl Endpoint {
    /// The refresh tokens, if this client gets any.
    pub(super) fn refresh_tokens_for(&self, grant: &Grant) -> Option<&RefreshTokens> {
        self.refresh.as_deref().filter(|_| grant.client().allows_grant(REFRESH_TOKEN))
    }

    /// Issues the tokens of a login, with the first refresh token of a new family.
    pub(super) async fn issue_with_refresh(
        &self,
        refresh: &RefreshTokens,
        mut grant: Grant,
        trail: &mut Trail,
    ) -> Result<Reply, Failure> {
        let failed = |error: BackendError| Failure::Untried(store_failed(error));
        let token = RefreshToken::first(refresh.place(&grant)).map_err(|error| failed(error.into()))?;
        let id = token.family();
        let (now, lifetime) = (grant.issued_at(), refresh.lifetime(grant.client()));
        let family = grant.begin_family(id, lifetime);
        let family = family.ok_or_else(|| failed(BackendError::fault("the lifetime is beyond all time")))?;
        trail.family = Some(family.clone());

        let login = self.second_look(&grant, trail);
        let (issued, scope) = self.mint(grant, trail).await?;
        let reply = write_answer(with_refresh_token(issued, &token).map_err(Failure::Untried)?, &scope)?;
        // Nothing is sent that is not kept.
        let lineage = Lineage::new(token.digest().clone(), now);
        let new = NewFamily { family, lineage, now, access_token: None };
        self.patience.refresh_store.of(refresh.store.begin(new)).await.map_err(failed)?;
        if let Some(login) = login
            && let Err(failure) = self.look_again(&login).await
        {
            // Nobody has got the tokens, so the refusal stands even if they cannot be ended.
            let _ = self.end_family(refresh, id).await;
            return Err(failure);
        }
        Ok(reply)
    }

    /// RFC 6749 section 6.
    pub(super) async fn refresh(
        &self,
        refresh: &RefreshTokens,
        form: &Form,
        permitted: PermittedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let client = permitted.client().clone();
        let token = form.get(Known::RefreshToken).unwrap_or_default();
        let request = Request { token, scope: form.get(Known::Scope), client: &client };
        let outcome = self.use_refresh_token(refresh, &request, permitted, trail).await.map_err(TokenError::at_refresh);
        self.count_unknown(&outcome, &client, trail).await?;
        outcome
    }

    /// Counts an unknown token on the address, and refuses it when there were too many. Nobody guesses 256 bits: this ends a
    /// flood of made-up ones, and a token that is known works whatever else its address does. A client that has proved who it is
    /// does not answer for the old tokens of its users. Another client's token counts like an unknown one: else somebody
    /// who has used up the budget could tell the two apart.
    pub(super) async fn count_unknown<T>(
        &self,
        outcome: &Result<T, TokenError>,
        client: &Client,
        trail: &mut Trail,
    ) -> Result<(), TokenError> {
        let is_stranger =
            |error: &TokenError| matches!(error.reason, Reason::UnknownRefreshToken | Reason::ForeignToken);
        if client.is_public() && outcome.as_ref().is_err_and(is_stranger) {
            // It stays charged.
            self.reserve(Guessed::nobody(), None, trail).await?;
        }
        Ok(())
    }

    async fn use_refresh_token(
        &self,
        refresh: &RefreshTokens,
        request: &Request<'_>,
        permitted: PermittedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let Request { token, scope, client } = *request;
        let found = self.find_refresh_token(refresh, token).await?.ok_or(Reason::UnknownRefreshToken)?;
        let now = refresh.read_clocks(&*self.clock);
        let family = found.stored.family.clone();
        let family = &family;
        trail.family = Some(family.clone());
        if !is_own(family, client) {
            // The token stays: another client can have got it by mistake, and must not be able to log its user out.
            return Err(Reason::ForeignToken.into());
        }
        let mut using = TokenUse {
            leeway: refresh.leeway(client),
            idle: refresh.idle_lifetime(client),
            ..TokenUse::new(found.token.digest().clone(), now)
        };
        let is_live = self.check_state(refresh, &found.stored, &using, trail).await?;
        if is_withdrawn(family, client) {
            return Err(Reason::GrantWithdrawn.into());
        }
        let renewal = Renewal::of(permitted, family, scope, &self.rules)?;
        let question = renewal.question(trail.address);
        let answer = self.patience.accounts.of(user::recheck(&*self.verifier, &question)).await;
        let user = match answer.map_err(|error| error.because(Reason::VerifierFailed))? {
            Ok(user) => user,
            Err(denial) => {
                if refresh.ends_denied {
                    self.end_family(refresh, family.id()).await?;
                }
                return Err(denial.reason().into());
            }
        };
        let login = Login::renewed(renewal, user, now);
        if matches!(login, Err(Reason::CredentialsChanged)) {
            self.end_family(refresh, family.id()).await?;
        }
        let login = login.map_err(|reason| Failure::Decided(reason.into()));
        let grant = self.weigh(login, trail).end().await.map_err(Failure::into_error)?;

        let FoundRefreshToken { token, stored } = found;
        let successor = if is_live && !client.refresh_rules().is_reused { Some(new_successor(&token)?) } else { None };
        using.successor = successor.as_ref().map(|(next, salt)| (next.digest().clone(), *salt));
        let (issued, scope) = self.mint(grant, trail).await.map_err(Failure::into_error)?;
        // What came before may have taken long: the leeway of a lost answer counts from now.
        using.used = self.clock.now();
        let using = pin!(use_token(&*refresh.store, stored, &using, None));
        let successor = match self.patience.refresh_store.of(using).await.map_err(store_failed)? {
            Used::Done => successor.map(|(next, _)| next),
            Used::Repeated { salt } => Some(token.successor(&salt)),
            // Since it was found, its successor was used, or the family was ended. What was minted ends with it.
            Used::Replayed => {
                trail.is_replay = true;
                self.end_access_tokens(family.id()).await?;
                return Err(Reason::RefreshTokenReplayed.into());
            }
            Used::Gone => {
                self.end_access_tokens(family.id()).await?;
                return Err(Reason::RefreshTokenEnded.into());
            }
        };
        let issued = match successor {
            Some(token) => with_refresh_token(issued, &token)?,
            None => issued,
        };
        write_answer(issued, &scope).map_err(Failure::into_error)
    }

    /// Refuses a token that cannot be used any more; a copy of one that was used ends its family. Answers whether it is live.
    async fn check_state(
        &self,
        refresh: &RefreshTokens,
        found: &StoredFamily,
        using: &TokenUse,
        trail: &mut Trail,
    ) -> Result<bool, TokenError> {
        let StoredFamily { family, lineage, is_ended, .. } = found;
        if *is_ended {
            // Whoever ended the family may have got no further than that.
            self.end_access_tokens(family.id()).await?;
            return Err(Reason::RefreshTokenEnded.into());
        }
        let decision = lineage.decide(family, using);
        let is_replay = match decision {
            Decision::Over => return Err(Reason::RefreshTokenExpired.into()),
            Decision::Live => false,
            Decision::Repeat { used, .. } => refresh.is_doubtful(used, using.leeway, using.now),
            Decision::Replay => true,
        };
        if !is_replay {
            let is_early = family.is_early(using.now);
            return if is_early { Err(Reason::RefreshTokenEarly.into()) } else { Ok(decision == Decision::Live) };
        }
        // Told once: whoever ended the family before told it.
        let ending = refresh.store.revoke_family(family.id());
        trail.is_replay = self.patience.refresh_store.of(ending).await.map_err(store_failed)?;
        self.end_access_tokens(family.id()).await?;
        Err(if trail.is_replay { Reason::RefreshTokenReplayed } else { Reason::RefreshTokenEnded }.into())
    }

    /// Ends a family with its access tokens. First the family, so that no more of them are given.
    pub(super) async fn end_family(&self, refresh: &RefreshTokens, family: FamilyId) -> Result<(), TokenError> {
        self.patience.refresh_store.of(refresh.store.revoke_family(family)).await.map_err(store_failed)?;
        self.end_access_tokens(family).await
    }

    async fn end_access_tokens(&self, family: FamilyId) -> Result<(), TokenError> {
        let Some(tokens) = self.access_tokens() else { return Ok(()) };
        // Tokens that cannot be revoked live on until they expire, as their verifier says.
        let ended = self.patience.access_tokens.of(tokens.revoke_family(family)).await;
        ended.map(drop).map_err(|error| error.because(Reason::AccessTokensFailed))
    }

    /// Looks the family of a refresh token up, if it is one.
    pub(super) async fn find_refresh_token(
        &self,
        refresh: &RefreshTokens,
        token: &str,
    ) -> Result<Option<FoundRefreshToken>, TokenError> {
        let Some(token) = RefreshToken::parse(token) else { return Ok(None) };
        let found = self.patience.refresh_store.of(refresh.store.find(token.family())).await.map_err(store_failed)?;
        Ok(found.map(|stored| FoundRefreshToken { token, stored }))
    }

    pub(super) fn access_tokens(&self) -> Option<&dyn AccessTokenVerifier> {
        self.access.as_deref()
    }
}

/// A request for a refresh.
#[derive(Clone, Copy)]
struct Request<'a> {
    token: &'a str,
    scope: Option<&'a str>,
    client: &'a Client,
}

fn new_successor(token: &RefreshToken) -> Result<(RefreshToken, Salt), TokenError> {
    let mut salt = Salt::default();
    fill_random(&mut salt).map_err(|error| store_failed(error.into()))?;
    Ok((token.successor(&salt), salt))
}

/// Where refresh tokens are kept here, one of the issuer's own would be a second door.
fn with_refresh_token(issued: IssuedTokens, token: &RefreshToken) -> Result<IssuedTokens, TokenError> {
    if issued.has_refresh_token() {
        let text = "the issuer gave a refresh token of its own beside those of `refresh_tokens(..)`";
        return Err(BackendError::fault(text).because(Reason::IllegalToken));
    }
    let token = token.to_token().map_err(|error| store_failed(error.into()))?;
    Ok(issued.with_refresh_token(token))
}
