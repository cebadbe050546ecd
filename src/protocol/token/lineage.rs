//! Which token of a refresh token family counts (RFC 6749 section 6, RFC 9700 section 4.14.2): the pure rules, whatever the
//! store.
//!
//! At most one token of a family is live. Its first use makes it the predecessor of the next. A client whose answer was lost
//! presents the predecessor again: within the leeway, and as long as the successor is unused, it gets the *same* successor
//! once more, which is derived from the predecessor, that the store never sees, and a salt, that it keeps. Whatever else is
//! presented under the family's selector is older, and ends the family.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::clock_steps::ShownTwice;
use super::family::RefreshFamily;
use super::lifetime::MAX_LEEWAY;
use crate::protocol::explained::explained;
use crate::protocol::millis;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::versioned::{self, Unreadable, take};

/// What the successor of a token is derived with: 256 random bits, as many as its secret has.
pub(crate) type Salt = [u8; 32];

/// The use of a refresh token: everything that is needed to decide what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct TokenUse {
    pub(crate) presented: SecretDigest,
    /// The successor's digest, and the salt to keep for a repeat. Without one the token stays live.
    pub(crate) successor: Option<(SecretDigest, Salt)>,
    /// When the request came: leeway and lifetimes are judged by it.
    pub(crate) now: SystemTime,
    /// What is kept as the token's use, from which the leeway of a repeat counts: when the answer is about to be sent, which may
    /// be long after the request came. Else a slow answer that is lost would be a lost login.
    pub(crate) used: SystemTime,
    /// How long after its first use the predecessor may be presented again.
    pub(crate) leeway: Duration,
    /// How long a family may be unused.
    pub(crate) idle: Duration,
    /// When its family ends by the plan of the client, whatever it was kept with.
    pub(crate) ends: Option<SystemTime>,
    /// A predecessor that was used at one of these instants is spent: it is unknown how long ago that was.
    pub(crate) shown_twice: ShownTwice,
}

impl TokenUse {
    /// The use of this token now, without a successor, leeway or idle lifetime.
    pub(crate) const fn new(presented: SecretDigest, now: SystemTime) -> Self {
        Self {
            presented,
            successor: None,
            now,
            used: now,
            leeway: Duration::ZERO,
            idle: Duration::MAX,
            ends: None,
            shown_twice: ShownTwice::NONE,
        }
    }

    /// Whether the predecessor, first used at `used`, may be presented again.
    fn may_repeat(&self, used: SystemTime) -> bool {
        is_within(used, self.leeway, self.now) && !self.is_doubtful(used)
    }

    /// Whether the time since `used` is unknown.
    ///
    /// A clock that is a little behind is that of another server. One that is further behind was set back, and then nothing
    /// tells how long ago the token was used. How far behind is judged by this use's own mark: it may be made long after the
    /// request came, and another request may have been first in between.
    fn is_doubtful(&self, used: SystemTime) -> bool {
        used.duration_since(self.used).is_ok_and(|behind| behind > self.leeway) || self.shown_twice.contains(used)
    }
}

/// What a refresh token is worth that is presented for a family which was not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is the one to be used next.
    Live,
    /// It was used last, first at `used`, within the leeway; its unused successor was derived with this salt.
    Repeat { salt: Salt, used: SystemTime },
    /// It was used before, or it is unknown how long ago: the family is to be ended.
    Replay,
    /// It would be good, but the login lies so far ahead that the clock must be wrong.
    Early,
    /// The family is over, by age or because it was not used.
    Over,
}

/// Which tokens of a refresh token family count, as a value that a store keeps and does not look into: digests and instants.
///
/// Nothing but the rules of this crate makes or changes one.
#[derive(Clone, Debug)]
pub struct Lineage {
    pub(crate) version: u8,
    live: SecretDigest,
    predecessor: Option<Predecessor>,
    last_used: SystemTime,
}

/// The token that was used last.
#[derive(Clone, Debug)]
struct Predecessor {
    digest: SecretDigest,
    salt: Salt,
    used: SystemTime,
}

impl Lineage {
    pub(crate) const fn new(first: SecretDigest, now: SystemTime) -> Self {
        Self { version: VERSION, live: first, predecessor: None, last_used: now }
    }

    /// When a token of the family was last used for the first time, or the family began.
    pub(crate) const fn last_used(&self) -> SystemTime {
        self.last_used
    }

    /// Whether this is the token that is to be used next.
    pub(crate) fn is_live(&self, token: &SecretDigest) -> bool {
        self.live.is(token)
    }

    /// What becomes of a token that is used.
    pub(crate) fn decide(&self, family: &RefreshFamily, using: &TokenUse) -> Decision {
        if family.is_over(self.last_used, using.idle, using.now) || using.ends.is_some_and(|end| end <= using.now) {
            return Decision::Over;
        }
        let decision = match &self.predecessor {
            _ if self.is_live(&using.presented) => Decision::Live,
            Some(last) if last.digest.is(&using.presented) && using.may_repeat(last.used) => {
                Decision::Repeat { salt: last.salt, used: last.used }
            }
            _ => return Decision::Replay,
        };
        if family.is_early(using.now) { Decision::Early } else { decision }
    }

    /// What it is after this use of the live token; `None` if it stays as it is.
    pub(crate) fn after(&self, using: &TokenUse) -> Option<Self> {
        let TokenUse { presented, successor, used, .. } = using;
        match successor {
            Some((live, salt)) => {
                let last = Predecessor { digest: presented.clone(), salt: *salt, used: *used };
                Some(Self { version: VERSION, live: live.clone(), predecessor: Some(last), last_used: *used })
            }
            // A use closes the window of the token before, even when the token stays live.
            None if self.predecessor.is_some() || !is_same_moment(self.last_used, *used) => {
                Some(Self { predecessor: None, last_used: *used, ..self.clone() })
            }
            None => None,
        }
    }

    /// When the predecessor was used, which may be presented again; `None` if there is none.
    ///
    /// Somebody with a copy of the store and an old token could derive its successor. So a store
    /// [forgets](Self::without_predecessor) it as soon as this is more than 60 seconds ago, the longest leeway; and it keeps no
    /// copy of the record as it was before, as a log does.
    #[must_use]
    pub fn predecessor_used(&self) -> Option<SystemTime> {
        self.predecessor.as_ref().map(|last| last.used)
    }

    /// The same without what a repeat needs: the predecessor is spent from now on, as all tokens before it are.
    #[must_use]
    pub fn without_predecessor(mut self) -> Self {
        self.predecessor = None;
        self
    }
}

/// How long after its use a store keeps a predecessor: the longest leeway, after which no client may present it.
pub(crate) const PREDECESSOR_KEPT: Duration = MAX_LEEWAY;

/// A token that stays live may be used by many at once. Uses as near as this are one, or each would wait for all others.
const MOMENT: Duration = Duration::from_secs(1);

fn is_same_moment(one: SystemTime, other: SystemTime) -> bool {
    one.duration_since(other).unwrap_or_else(|before| before.duration()) < MOMENT
}

/// How far behind the use a repeat may be: clocks of several servers differ, and the use is marked when its answer is about
/// to be sent, which may be after the repeat came. Further back the clock was set, and how much time passed is not known.
const MOST_BEHIND: Duration = Duration::from_secs(60);

/// Whether the predecessor, first used at `used`, may be presented again.
fn is_within(used: SystemTime, leeway: Duration, now: SystemTime) -> bool {
    !leeway.is_zero()
        && match now.duration_since(used) {
            Ok(since) => since <= leeway,
            Err(ahead) => ahead.duration() <= MOST_BEHIND,
        }
}

/// The version of the bytes. A change of what they mean is a new one.
const VERSION: u8 = 1;
const DIGEST: usize = 32;
const TIME: usize = 8;

/// Bytes that are no [`Lineage`] of this version.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineageError {
    /// A later version of this crate wrote them: nothing is known of what they mean, so they must not be replaced.
    #[error("the lineage of a refresh token family was written by a later version")]
    Later,
    /// They are damaged.
    #[error("the lineage of a refresh token family is damaged")]
    Damaged,
}

impl fmt::Debug for LineageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// As bytes, which begin with their version.
impl Lineage {
    /// The bytes to store: some 100. Instants are kept as whole milliseconds.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        const ROOM: usize = 1 + DIGEST + TIME + DIGEST + TIME + size_of::<Salt>();
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.push(self.version);
        bytes.extend_from_slice(self.live.as_bytes());
        bytes.extend_from_slice(&millis::floor(self.last_used).to_be_bytes());
        if let Some(Predecessor { digest, salt, used }) = &self.predecessor {
            bytes.extend_from_slice(digest.as_bytes());
            bytes.extend_from_slice(&millis::floor(*used).to_be_bytes());
            bytes.extend_from_slice(salt);
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// Fails when a later version wrote them, and when they are damaged. `?` makes a [`BackendError`](crate::BackendError)
    /// of it, which answers 503.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LineageError> {
        let mut rest = versioned::open(bytes, VERSION)?;
        let live = SecretDigest::from_bytes(take(&mut rest)?);
        let last_used = instant(take(&mut rest)?)?;
        let predecessor = if rest.is_empty() {
            None
        } else {
            let digest = SecretDigest::from_bytes(take(&mut rest)?);
            Some(Predecessor { digest, used: instant(take(&mut rest)?)?, salt: take(&mut rest)? })
        };
        versioned::end(rest)?;
        Ok(Self { version: VERSION, live, predecessor, last_used })
    }
}

fn instant(millis: [u8; TIME]) -> Result<SystemTime, LineageError> {
    millis::instant(i64::from_be_bytes(millis)).ok_or(LineageError::Damaged)
}

impl From<Unreadable> for LineageError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Later(_) => Self::Later,
            Unreadable::Damaged => Self::Damaged,
        }
    }
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
