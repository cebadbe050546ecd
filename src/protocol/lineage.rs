//! Which token of a refresh token family counts (RFC 6749 section 6, RFC 9700 section 4.14.2): the pure state machine that
//! every store of this crate runs inside one atomic step.
//!
//! At most one token of a family is live. Its first use makes it the predecessor of the next. A client whose answer was lost
//! presents the predecessor again: within the leeway, and as long as the successor is unused, it gets the *same* successor
//! once more, which is derived from the predecessor, that the store never sees, and a salt, that it keeps. Whatever is older
//! ends the family.

use std::time::{Duration, SystemTime};

use super::family::RefreshFamily;
use super::secrets::SecretDigest;

/// What a refresh token is within its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshTokenState {
    /// The one that is to be used next.
    Live,
    /// The one that was used last, while its successor is unused.
    #[non_exhaustive]
    Predecessor {
        /// When it was used first.
        used: SystemTime,
    },
    /// Used before the predecessor: somebody presents an old copy.
    Spent,
    /// The family was ended.
    Ended,
}

impl RefreshTokenState {
    /// The predecessor of an unused token, first used at `used`.
    #[must_use]
    pub const fn predecessor(used: SystemTime) -> Self {
        Self::Predecessor { used }
    }
}

/// A refresh token that a store found.
#[derive(Clone, Debug)]
pub struct FoundRefreshToken {
    family: RefreshFamily,
    state: RefreshTokenState,
    last_used: SystemTime,
}

impl FoundRefreshToken {
    /// A token of this family in this state. `last_used` is when a token of the family was used first, or the family began.
    #[must_use]
    pub const fn new(family: RefreshFamily, state: RefreshTokenState, last_used: SystemTime) -> Self {
        Self { family, state, last_used }
    }

    /// The family.
    #[must_use]
    pub const fn family(&self) -> &RefreshFamily {
        &self.family
    }

    /// What the token is within its family.
    #[must_use]
    pub const fn state(&self) -> RefreshTokenState {
        self.state
    }

    /// When a token of the family was last used for the first time, or the family began.
    #[must_use]
    pub const fn last_used(&self) -> SystemTime {
        self.last_used
    }
}

/// The use of a refresh token: everything that a store needs to decide in one step.
#[derive(Clone, Debug)]
pub struct Rotation {
    presented: SecretDigest,
    successor: Option<(SecretDigest, [u8; 32])>,
    now: SystemTime,
    used: SystemTime,
    leeway: Duration,
    idle: Duration,
}

impl Rotation {
    /// The use of this token now, without a successor, leeway or idle lifetime.
    #[must_use]
    pub const fn new(presented: SecretDigest, now: SystemTime) -> Self {
        Self { presented, successor: None, now, used: now, leeway: Duration::ZERO, idle: Duration::MAX }
    }

    /// The successor's digest and the salt that it was derived with. Without one the token stays live.
    #[must_use]
    pub const fn with_successor(mut self, digest: SecretDigest, salt: [u8; 32]) -> Self {
        self.successor = Some((digest, salt));
        self
    }

    /// The instant that is kept as the token's use, from which the leeway of a repeat counts: when the answer is about to be
    /// sent, which may be long after the request [came](Self::new). Without it a slow answer that is lost would be a lost login.
    #[must_use]
    pub const fn with_used(mut self, used: SystemTime) -> Self {
        self.used = used;
        self
    }

    /// How long after its first use the predecessor may be presented again.
    #[must_use]
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How long a family may be unused.
    #[must_use]
    pub const fn with_idle_lifetime(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// The digest of the token that was presented.
    #[must_use]
    pub const fn presented(&self) -> &SecretDigest {
        &self.presented
    }

    /// The successor's digest, and the salt to keep for a repeat; `None` if the token stays live.
    #[must_use]
    pub const fn successor(&self) -> Option<(&SecretDigest, &[u8; 32])> {
        match &self.successor {
            Some((digest, salt)) => Some((digest, salt)),
            None => None,
        }
    }

    /// The instant to keep as the token's use.
    #[must_use]
    pub const fn used(&self) -> SystemTime {
        self.used
    }

    /// When the request came: leeway and lifetimes are judged by it.
    #[must_use]
    pub const fn now(&self) -> SystemTime {
        self.now
    }

    /// How long after its first use the predecessor may be presented again.
    #[must_use]
    pub const fn leeway(&self) -> Duration {
        self.leeway
    }

    /// How long a family may be unused.
    #[must_use]
    pub const fn idle_lifetime(&self) -> Duration {
        self.idle
    }
}

/// What became of a [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotated {
    /// The token was live. Its successor is now, or it still is if there is none.
    Done,
    /// The token is the predecessor, within the leeway and with an unused successor. Nothing changed.
    #[non_exhaustive]
    Repeated {
        /// The salt that the live successor was derived with.
        salt: [u8; 32],
    },
    /// The token was used before: the family was ended by this very step.
    Replayed,
    /// No token of a family that still lives.
    Gone,
}

impl Rotated {
    /// A repeat; the live successor was derived with this salt.
    #[must_use]
    pub const fn repeated(salt: [u8; 32]) -> Self {
        Self::Repeated { salt }
    }
}

/// Which tokens of one family count.
#[derive(Clone, Debug)]
pub(crate) struct Lineage {
    pub(crate) live: SecretDigest,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) last_used: SystemTime,
    pub(crate) is_ended: bool,
}

/// The token that was used last.
#[derive(Clone, Debug)]
pub(crate) struct Predecessor {
    pub(crate) digest: SecretDigest,
    pub(crate) salt: [u8; 32],
    pub(crate) used: SystemTime,
}

impl Lineage {
    pub(crate) fn new(first: SecretDigest, now: SystemTime) -> Self {
        Self { live: first, predecessor: None, last_used: now, is_ended: false }
    }

    /// What a token that belongs to this family is.
    pub(crate) fn state_of(&self, token: &SecretDigest) -> RefreshTokenState {
        match &self.predecessor {
            _ if self.is_ended => RefreshTokenState::Ended,
            _ if self.live.is(token) => RefreshTokenState::Live,
            Some(predecessor) if predecessor.digest.is(token) => {
                RefreshTokenState::Predecessor { used: predecessor.used }
            }
            _ => RefreshTokenState::Spent,
        }
    }

    /// Uses a token that belongs to this family.
    pub(crate) fn rotate(&mut self, family: &RefreshFamily, rotation: &Rotation) -> Rotated {
        let Rotation { presented, successor, now, used: marked, leeway, idle } = rotation;
        if self.is_ended || family.is_over(self.last_used, *idle, *now) {
            return Rotated::Gone;
        }
        if self.live.is(presented) {
            // Its use closes the window of its own predecessor, even when it stays live.
            self.predecessor = successor.as_ref().map(|(digest, salt)| {
                let used = std::mem::replace(&mut self.live, digest.clone());
                Predecessor { digest: used, salt: *salt, used: *marked }
            });
            self.last_used = *marked;
            return Rotated::Done;
        }
        match &self.predecessor {
            Some(last) if last.digest.is(presented) && is_within(last.used, *leeway, *now) => {
                Rotated::Repeated { salt: last.salt }
            }
            _ => {
                self.is_ended = true;
                Rotated::Replayed
            }
        }
    }

    /// Ends the family; tells whether it had not ended yet.
    pub(crate) fn end(&mut self) -> bool {
        !std::mem::replace(&mut self.is_ended, true)
    }
}

/// How far behind the use a repeat may be: clocks of several servers differ, and the use is marked when its answer is about
/// to be sent, which may be after the repeat came. Further back the clock was set, and how much time passed is not known.
const MOST_BEHIND: Duration = Duration::from_secs(60);

/// Whether the predecessor, first used at `used`, may be presented again.
pub(crate) fn is_within(used: SystemTime, leeway: Duration, now: SystemTime) -> bool {
    !leeway.is_zero()
        && match now.duration_since(used) {
            Ok(since) => since <= leeway,
            Err(ahead) => ahead.duration() <= MOST_BEHIND,
        }
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
