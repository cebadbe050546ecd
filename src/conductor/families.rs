//! Families of refresh tokens: their store, and how long they live.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use super::access_tokens::AccessTokens;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SharedClock};
use crate::boundary::identity::StoreIdentity;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::refresh::{NewFamily, RefreshTokenStore, StoredFamily};
use crate::boundary::refresh_use::{Used, begin_family, use_token};
use crate::boundary::sync::held;
use crate::observe::patience::Bound;
use crate::protocol::client::policy;
use crate::protocol::client::registered::Client;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::secrets::{SecretDigest, fill_random};
use crate::protocol::token::clock_steps::{ClockSteps, Reading};
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::{Lineage, Salt, TokenUse};
use crate::protocol::token::refresh_token::{Place, RefreshToken};
use crate::protocol::token::unsaved::UnsavedAccessToken;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::response::IssuedTokens;

/// How long refresh tokens live, for clients that have no rules of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    pub(crate) lifetime: Duration,
    pub(crate) idle_lifetime: Duration,
    pub(crate) leeway: Duration,
}

/// The families, and the access tokens that end with them.
pub(crate) struct Families {
    store: Box<dyn RefreshTokenStore>,
    saving: Saving,
    patience: Bound,
    lifetimes: Lifetimes,
    access: Arc<AccessTokens>,
    clock: Arc<dyn Clock>,
    steps: Mutex<ClockSteps>,
    /// Groups subjects by their places.
    places: Keyed,
}

/// How the access token of a login or of a refresh is saved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saving {
    /// By the store of the families, in one step with its family: the issuer's tokens are found there.
    InOneStep,
    /// By the issuer, before its family.
    ByTheIssuer,
    /// The same, though both could leave it to a store: they name two.
    InAnotherStore,
}

impl Saving {
    fn of(issuer: Option<StoreIdentity>, families: Option<StoreIdentity>) -> Self {
        match issuer.zip(families) {
            Some((issuer, families)) if issuer == families => Self::InOneStep,
            Some(_) => Self::InAnotherStore,
            None => Self::ByTheIssuer,
        }
    }
}

/// A refresh token and the family that it was presented for.
pub(super) struct FoundRefreshToken {
    pub(super) token: RefreshToken,
    pub(super) stored: StoredFamily,
}

/// The first refresh token of a family that is about to begin.
pub(super) struct Beginning {
    pub(super) family: RefreshFamily,
    pub(super) token: RefreshToken,
}

impl Families {
    /// `issuer_store` is where the issuer's tokens are found, if it leaves them to a store.
    pub(crate) fn new(
        store: Box<dyn RefreshTokenStore>,
        issuer_store: Option<StoreIdentity>,
        patience: Bound,
        lifetimes: Lifetimes,
        access: Arc<AccessTokens>,
        clock: Arc<dyn Clock>,
        places: Keyed,
    ) -> Self {
        let steps = Mutex::new(ClockSteps::new(Reading::of(|| clock.elapsed(), || clock.now())));
        let saving = Saving::of(issuer_store, store.identity());
        Self { store, saving, patience, lifetimes, access, clock, steps, places }
    }

    /// Whether the store goes by the endpoint's clock.
    pub(crate) fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.store.follow_clock(clock)
    }

    /// Whether the issuer names another store than that of the families.
    pub(crate) fn are_apart_from_the_issuer(&self) -> bool {
        self.saving == Saving::InAnotherStore
    }

    /// Draws the family that the grant of a login begins. It is not kept yet.
    pub(super) fn draw(&self, grant: &mut Grant) -> Result<Beginning, TokenError> {
        let place = Place::of(&self.places, grant.realm(), grant.subject().id());
        let token = RefreshToken::first(place).map_err(|error| store_failed(error.into()))?;
        let lifetime = grant.client().refresh_rules().lifetime.unwrap_or(self.lifetimes.lifetime);
        let family = grant.begin_family(token.family(), lifetime);
        let family = family.ok_or_else(|| store_failed(BackendError::fault("the lifetime is beyond all time")))?;
        Ok(Beginning { family, token })
    }

    /// Has the issuer leave the record of the access token to the store, if that is where it is found.
    pub(super) fn leave_record(&self, grant: &mut Grant) {
        if self.saving == Saving::InOneStep {
            grant.leave_record();
        }
    }

    /// Takes the record out that was left so, to be saved with its family.
    pub(super) fn take_record(&self, tokens: &mut IssuedTokens) -> Result<Option<UnsavedAccessToken>, TokenError> {
        if self.saving != Saving::InOneStep {
            return Ok(None);
        }
        let record = tokens.take_unsaved().ok_or_else(|| {
            let text = "the issuer has the identity of a store, and left it no record: hand on the `IssuedTokens` of the \
                        issuer within, or answer no `store_identity`";
            BackendError::fault(text).because(Reason::IssuerFailed)
        })?;
        Ok(Some(record))
    }

    /// Keeps a family that begins now, with the access token of its login if the store keeps both. Where it takes the place of
    /// others, their access tokens end, too.
    pub(super) async fn begin(
        &self,
        family: RefreshFamily,
        token: SecretDigest,
        now: SystemTime,
        access_token: Option<UnsavedAccessToken>,
    ) -> Result<(), TokenError> {
        let new = NewFamily { family, lineage: Lineage::new(token, now), now, access_token };
        let beginning = pin!(begin_family(&*self.store, new));
        for ended in self.patience.of(beginning).await.map_err(store_failed)? {
            self.end_access_tokens(ended).await?;
        }
        Ok(())
    }

    /// Looks the family of a refresh token up, if it is one.
    pub(super) async fn find(&self, token: &str) -> Result<Option<FoundRefreshToken>, TokenError> {
        let Some(token) = RefreshToken::parse(token) else { return Ok(None) };
        let found = self.patience.of(self.store.find(token.family())).await.map_err(store_failed)?;
        Ok(found.map(|stored| FoundRefreshToken { token, stored }))
    }

    /// A use of the token by this client.
    pub(super) fn use_of(&self, found: &FoundRefreshToken, client: &Client, now: SystemTime) -> TokenUse {
        let FoundRefreshToken { token, stored } = found;
        TokenUse {
            ends: policy::family_end(client, &stored.family),
            leeway: client.refresh_rules().leeway.unwrap_or(self.lifetimes.leeway),
            idle: self.idle_lifetime(client),
            shown_twice: self.lock_steps().twice(),
            ..TokenUse::new(token.digest().clone(), now)
        }
    }

    /// Uses a token: the last step of a refresh, with its access token if the store keeps both.
    pub(super) async fn use_token(
        &self,
        found: StoredFamily,
        mut using: TokenUse,
        access_token: Option<UnsavedAccessToken>,
    ) -> Result<Used, TokenError> {
        // What came before may have taken long: the leeway of a lost answer counts from now.
        using.used = self.clock.now();
        let using = pin!(use_token(&*self.store, found, &using, access_token));
        self.patience.of(using).await.map_err(store_failed)
    }

    /// Ends a family with its access tokens. First the family, so that no more of them are given. Answers whether it had not ended
    /// before.
    pub(super) async fn end(&self, family: FamilyId) -> Result<bool, TokenError> {
        let is_first = self.revoke(family).await?;
        self.end_access_tokens(family).await?;
        Ok(is_first)
    }

    /// Ends a family alone; its access tokens are next. Answers whether this has ended it.
    pub(super) async fn revoke(&self, family: FamilyId) -> Result<bool, TokenError> {
        self.patience.of(self.store.revoke_family(family)).await.map_err(store_failed)
    }

    /// Ends the access tokens of a family that has ended.
    pub(super) async fn end_access_tokens(&self, family: FamilyId) -> Result<(), TokenError> {
        self.access.end_family(family).await
    }

    /// When the token is over if it is not used.
    pub(super) fn end_of(&self, found: &FoundRefreshToken, client: &Client) -> SystemTime {
        let family = &found.stored.family;
        let expires = family.expires();
        let expires = policy::family_end(client, family).map_or(expires, |end| end.min(expires));
        let idle = found.stored.lineage.last_used().checked_add(self.idle_lifetime(client));
        idle.map_or(expires, |idle| idle.min(expires))
    }

    /// What the wall clock shows. It is read under the lock, so that readings are noted in the order in which they were made.
    pub(super) fn read_clocks(&self) -> SystemTime {
        let mut steps = self.lock_steps();
        let shown = Reading::of(|| self.clock.elapsed(), || self.clock.now());
        steps.observe(shown);
        shown.wall
    }

    fn idle_lifetime(&self, client: &Client) -> Duration {
        client.refresh_rules().idle_lifetime.unwrap_or(self.lifetimes.idle_lifetime)
    }

    /// Whole at each moment, also after a panic of the clock.
    fn lock_steps(&self) -> MutexGuard<'_, ClockSteps> {
        held(self.steps.lock())
    }
}

fn store_failed(error: BackendError) -> TokenError {
    error.because(Reason::RefreshStoreFailed)
}

/// A successor of the token, with the salt that it is derived with.
pub(super) fn new_successor(token: &RefreshToken) -> Result<(RefreshToken, Salt), TokenError> {
    let mut salt = Salt::default();
    fill_random(&mut salt).map_err(|error| store_failed(error.into()))?;
    Ok((token.successor(&salt), salt))
}

/// Where refresh tokens are kept here, one of the issuer's own would be a second door.
pub(super) fn with_refresh_token(issued: IssuedTokens, token: &RefreshToken) -> Result<IssuedTokens, TokenError> {
    if issued.has_refresh_token() {
        let text = "the issuer gave a refresh token of its own beside those of `refresh_tokens(..)`: leave out \
                    `IssuedTokens::with_refresh_token`, or `refresh_tokens(..)`";
        return Err(BackendError::fault(text).because(Reason::IssuerFailed));
    }
    let token = token.to_token().map_err(|error| store_failed(error.into()))?;
    Ok(issued.with_refresh_token(token))
}
