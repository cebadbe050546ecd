//! Refresh token families in the memory of this process.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::families::FamilyTable;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::refresh::{FamilyStamp, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
use crate::boundary::setting::{SettingError, one_or_more};
use crate::boundary::sync::{Mutex, held};
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::lineage::PREDECESSOR_KEPT;

/// Refresh token families in the memory of this process: bounded, and gone after a restart, which logs all users out.
///
/// A login takes some 500 bytes, however often its token is used, and all of its old tokens are known as long as it is. One
/// subject has at most 100 logins at one client: the next one ends the oldest of them, so that no user fills the store alone.
/// When it is full, families that are over or have ended go first, then the oldest ones, and their users log in again.
///
/// The predecessor of a token may be presented again within the leeway by the wall clock, and a minute after its use no more
/// whatever the wall clock shows.
///
/// `Arc<MemoryRefreshTokens>` is a [`RefreshTokenStore`], too: give a clone to
/// [`RefreshTokens::in_store`](crate::token::RefreshTokens::in_store), and end logins by the other.
#[doc(alias = "in_memory")]
#[doc(alias = "InMemoryRefreshTokenStore")]
pub struct MemoryRefreshTokens {
    families: Mutex<FamilyTable>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

impl MemoryRefreshTokens {
    /// Room for 262,144 logins.
    #[must_use]
    pub fn new() -> Self {
        Self { families: Mutex::new(FamilyTable::default()), capacity: 262_144, clock: Arc::new(SystemClock::new()) }
    }

    /// Another clock, which says how much time has passed. Default: the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another bound: at least one login.
    ///
    /// # Errors
    /// Fails when it is none.
    pub fn with_capacity(mut self, logins: usize) -> Result<Self, SettingError> {
        self.capacity = one_or_more("MemoryRefreshTokens::with_capacity", logins)?;
        Ok(self)
    }
}

impl Default for MemoryRefreshTokens {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl RefreshTokenStore for MemoryRefreshTokens {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        let NewFamily { family, lineage, now, .. } = new;
        let elapsed = self.clock.elapsed();
        let ended = held(self.families.lock()).begin(family, lineage, now, elapsed, self.capacity);
        ended.ok_or_else(|| BackendError::fault("a refresh token family with this id was begun before"))
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        let elapsed = self.clock.elapsed();
        let families = held(self.families.lock());
        MaybeFuture::ready(Ok(families.get(family).map(|kept| {
            // So much time has passed since the predecessor was used that no wall clock can make it good again.
            let is_stale = elapsed.saturating_sub(kept.used) > PREDECESSOR_KEPT;
            let lineage = kept.lineage.clone();
            let lineage = if is_stale { lineage.without_predecessor() } else { lineage };
            let stamp = FamilyStamp::new(kept.stamp);
            StoredFamily::new(kept.family.clone(), lineage, stamp).with_ended(kept.is_ended)
        })))
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        let Rotation { family, seen, lineage, .. } = rotation;
        let mut families = held(self.families.lock());
        let found = families.get_mut(family);
        let Some(kept) = found.filter(|kept| !kept.is_ended && kept.stamp == seen.get()) else {
            return MaybeFuture::ready(Ok(false));
        };
        if let Some(lineage) = lineage {
            kept.lineage = lineage;
            kept.stamp = kept.stamp.saturating_add(1);
            kept.used = self.clock.elapsed();
        }
        MaybeFuture::ready(Ok(true))
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        Ok(held(self.families.lock()).end(family))
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        Ok(held(self.families.lock()).end_all(realm, subject))
    }
}

impl fmt::Debug for MemoryRefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRefreshTokens").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
