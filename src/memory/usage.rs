//! Which users log in how, in the memory of this process.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::boundary::setting::{SettingError, one_or_more};
use crate::boundary::sync::{Mutex, held};
use crate::boundary::usage::UsageStore;
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::{ClientUser, LoginCount, Usage, UsageBatch, UsageRow};
use crate::protocol::usage::stayers::{PageKey, StayersPage, StayersScan};
use crate::protocol::usage::tally::{ClientUsage, Tally};
use crate::protocol::usage::way::LoginWay;

/// Which users log in how, in the memory of this process: bounded, and gone after a restart. For tests and trials: an application keeps it
/// in a file or a database.
///
/// A row takes some 200 bytes. Beyond the bound, users and ways that are new find no room, which the report of the ledger says; what
/// is known already goes on.
///
/// `Arc<MemoryUsage>` is a [`UsageStore`], too: give a clone to the ledger, and look at the store by the other.
#[doc(alias = "in_memory")]
pub struct MemoryUsage {
    kept: Mutex<Kept>,
    capacity: usize,
}

/// In the order of realm and subject.
type Users = BTreeMap<PageKey, Vec<Usage>>;
/// Client, way, whether by password, day, writer.
type CountKey = (ClientId, LoginWay, bool, Day, u64);

#[derive(Default)]
struct Kept {
    clients: BTreeMap<ClientId, Users>,
    rows: usize,
    counts: BTreeMap<CountKey, u64>,
}

impl MemoryUsage {
    /// Room for 1,000,000 rows, and as many counts.
    #[must_use]
    pub fn new() -> Self {
        Self { kept: Mutex::new(Kept::default()), capacity: 1_000_000 }
    }

    /// Another bound: at least one row.
    ///
    /// # Errors
    /// Fails when it is none.
    pub fn with_capacity(mut self, rows: usize) -> Result<Self, SettingError> {
        self.capacity = one_or_more("MemoryUsage::with_capacity", rows)?;
        Ok(self)
    }
}

impl Default for MemoryUsage {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    /// Whether there was room for it.
    fn merge(&mut self, row: &UsageRow, capacity: usize) -> bool {
        let users = self.clients.entry(row.client.clone()).or_default();
        let key = PageKey::new(row.realm.as_deref(), &row.subject);
        if let Some(usages) = users.get_mut(&key)
            && let Some(usage) = usages.iter_mut().find(|usage| usage.is_same_way(row.usage))
        {
            *usage = usage.merged(row.usage);
            return true;
        }
        if self.rows >= capacity {
            return false;
        }
        self.rows = self.rows.saturating_add(1);
        users.entry(key).or_default().push(row.usage);
        true
    }

    /// Whether there was room for it.
    fn count(&mut self, count: &LoginCount, capacity: usize) -> bool {
        let key = (count.client.clone(), count.way, count.is_by_password, count.day, count.writer);
        if let Some(logins) = self.counts.get_mut(&key) {
            *logins = (*logins).max(count.logins);
        } else if self.counts.len() < capacity {
            self.counts.insert(key, count.logins);
        } else {
            return false;
        }
        true
    }

    /// Keeps the rows of which this is true, and says how many went.
    fn retain(&mut self, keeps: impl Fn(&PageKey, &Usage) -> bool) -> u64 {
        let before = self.rows;
        for users in self.clients.values_mut() {
            users.retain(|key, usages| {
                usages.retain(|usage| keeps(key, usage));
                !usages.is_empty()
            });
        }
        self.clients.retain(|_, users| !users.is_empty());
        self.rows = self.clients.values().flat_map(BTreeMap::values).map(Vec::len).sum();
        before.saturating_sub(self.rows) as u64
    }
}

#[async_trait]
impl UsageStore for MemoryUsage {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        let mut kept = held(self.kept.lock());
        let counts = batch.counts().iter().filter(|count| !kept.count(count, self.capacity)).count();
        let rows = batch.rows().iter().filter(|row| !kept.merge(row, self.capacity)).count();
        Ok(counts.saturating_add(rows) as u64)
    }

    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
        let kept = held(self.kept.lock());
        let mut tally = Tally::new(window);
        for (client, users) in &kept.clients {
            for (key, usages) in users {
                let user = ClientUser::new(client, key.realm(), key.subject());
                usages.iter().for_each(|usage| tally.add(user, *usage));
            }
        }
        let counted = kept.counts.iter().filter(|((_, _, _, day, _), _)| window.contains(*day));
        counted.for_each(|((client, way, by, ..), logins)| tally.count(client, *way, *by, *logins));
        Ok(tally.finish())
    }

    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError> {
        let kept = held(self.kept.lock());
        let mut scan = StayersScan::new(window, limit);
        let from = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let users = kept.clients.get(client).into_iter().flat_map(|users| users.range::<PageKey, _>(from));
        let mut rows = users.flat_map(|(key, usages)| usages.iter().map(move |usage| (key, usage)));
        // Where it breaks off, the scan keeps where it was.
        let _ = rows.try_for_each(|(key, usage)| scan.add(key.realm(), key.subject(), *usage));
        Ok(scan.finish())
    }

    async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
        Ok(held(self.kept.lock()).retain(|key, _| key.subject() != subject))
    }

    async fn prune(&self, before: Day) -> Result<u64, BackendError> {
        let mut kept = held(self.kept.lock());
        let counts = kept.counts.len();
        kept.counts.retain(|(_, _, _, day, _), _| *day >= before);
        let counts = counts.saturating_sub(kept.counts.len()) as u64;
        Ok(kept.retain(|_, usage| !usage.is_over(before)).saturating_add(counts))
    }
}

impl fmt::Debug for MemoryUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryUsage").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
