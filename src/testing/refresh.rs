//! Refresh tokens of a store by the digests of their tokens, without an endpoint: for the tests of a store.

use std::time::{Duration, SystemTime};

use crate::boundary::backend::OperationError;
use crate::boundary::refresh::{NewFamily, RefreshTokenStore};
use crate::boundary::refresh_use::{Used, use_token};
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::{Decision, Lineage, TokenUse};
use crate::protocol::token::unsaved::UnsavedAccessToken;

/// What a refresh token is within its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// The one that is to be used next.
    Live,
    /// The one that was used last, while its successor is unused.
    Predecessor {
        /// When it was used first.
        used: SystemTime,
    },
    /// Any other.
    Spent,
    /// The family was ended.
    Ended,
}

/// What became of the use of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenUsed {
    /// The token was live. Its successor is now, or it still is if there is none.
    Done,
    /// The token is the predecessor, within the leeway and with an unused successor. Nothing changed.
    Repeated {
        /// The salt that the live successor was derived with.
        salt: [u8; 32],
    },
    /// The token was used before: the family was ended by this use.
    Replayed,
    /// No token of a family that still lives.
    Gone,
}

/// The use of a refresh token of a family, as the endpoint does it: decided by the rules, kept by the store, and decided again
/// if somebody else was first.
#[derive(Clone, Debug)]
pub struct RefreshTokenUse {
    family: FamilyId,
    using: TokenUse,
    access_token: Option<UnsavedAccessToken>,
}

impl RefreshTokenUse {
    /// The use of this token now, without a successor, leeway or idle lifetime.
    #[must_use]
    pub const fn new(family: FamilyId, presented: SecretDigest, now: SystemTime) -> Self {
        Self { family, using: TokenUse::new(presented, now), access_token: None }
    }

    /// The successor's digest and the salt that it was derived with. Default: none, so that the token stays live.
    #[must_use]
    pub fn with_successor(mut self, digest: SecretDigest, salt: [u8; 32]) -> Self {
        self.using.successor = Some((digest, salt));
        self
    }

    /// When the answer is about to be sent. Default: now.
    #[must_use]
    pub const fn with_used(mut self, used: SystemTime) -> Self {
        self.using.used = used;
        self
    }

    /// How long after its first use the predecessor may be presented again. Default: zero.
    #[must_use]
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.using.leeway = leeway;
        self
    }

    /// How long a family may be unused. Default: for ever.
    #[must_use]
    pub const fn with_idle_lifetime(mut self, idle: Duration) -> Self {
        self.using.idle = idle;
        self
    }

    /// The access token that is kept in the same step, by a store that keeps both. Default: none.
    #[must_use]
    pub fn with_access_token(mut self, access_token: UnsavedAccessToken) -> Self {
        self.access_token = Some(access_token);
        self
    }

    /// Uses the token.
    ///
    /// # Errors
    /// Those of the store; and a fault if the store did not keep the access token.
    pub async fn by(&self, store: &(impl RefreshTokenStore + ?Sized)) -> Result<TokenUsed, OperationError> {
        let Some(found) = store.find(self.family).await? else { return Ok(TokenUsed::Gone) };
        Ok(match use_token(store, found, &self.using, self.access_token.clone()).await? {
            Used::Done => TokenUsed::Done,
            Used::Repeated { salt } => TokenUsed::Repeated { salt },
            Used::Replayed => TokenUsed::Replayed,
            Used::Gone => TokenUsed::Gone,
        })
    }
}

/// Begins a family with its first token, at `now`, and answers which others ended for it.
///
/// # Errors
/// Those of the store.
pub async fn begin_family(
    store: &(impl RefreshTokenStore + ?Sized),
    family: RefreshFamily,
    first: &SecretDigest,
    now: SystemTime,
) -> Result<Vec<FamilyId>, OperationError> {
    let lineage = Lineage::new(first.clone(), now);
    Ok(store.begin(NewFamily { family, lineage, now, access_token: None }).await?)
}

/// What a token is in the family that is found now, and when the family was last used; `None` if it is not found.
///
/// # Errors
/// Those of the store.
pub async fn token_state(
    store: &(impl RefreshTokenStore + ?Sized),
    family: FamilyId,
    token: &SecretDigest,
) -> Result<Option<(TokenState, SystemTime)>, OperationError> {
    let Some(found) = store.find(family).await? else { return Ok(None) };
    let last_used = found.lineage.last_used();
    // As if it were used within the longest leeway, at the very moment.
    let using = TokenUse { leeway: Duration::MAX, ..TokenUse::new(token.clone(), last_used) };
    let state = match found.decide(&using) {
        None => TokenState::Ended,
        Some(Decision::Live) => TokenState::Live,
        Some(Decision::Repeat { used, .. }) => TokenState::Predecessor { used },
        Some(Decision::Replay | Decision::Over | Decision::Early) => TokenState::Spent,
    };
    Ok(Some((state, last_used)))
}
