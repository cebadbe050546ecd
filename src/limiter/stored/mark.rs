//! By which key and limits the processes of one store count. One that differs from the one before says so.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::boundary::records::{LoadedRecord, RecordChange, RecordStamp};
use crate::limiter::step::key::Key;
use crate::limiter::step::limits::Limits;
use crate::limiter::stored::sheet::{kept_for_ever, record_key};
use crate::observe::telemetry;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::shared_key::{KeyUse, SharedKey};

/// Where it is kept: the last key of all, under which nothing is counted.
pub(super) const MARK: Key = (u64::MAX, u64::MAX);

const VERSION: u8 = 1;
const LENGTH: usize = 17;

/// What this process counts by, and whether the store knows.
#[derive(Debug)]
pub(super) struct Mark {
    key: [u8; 8],
    is_kept: AtomicBool,
}

impl Mark {
    pub(super) fn of(key: &SharedKey) -> Self {
        let key = Keyed::new(Some(key), KeyUse::Check).digest(0, []).to_le_bytes();
        Self { key, is_kept: AtomicBool::new(false) }
    }

    /// Whether the store was not asked yet.
    pub(super) fn is_new(&self) -> bool {
        !self.is_kept.load(Ordering::Relaxed)
    }

    /// What is to be kept in the place of what was found, `now` by the store's clock in milliseconds. `None`: it is the same.
    pub(super) fn change(
        &self,
        limits: &Limits,
        found: Option<&LoadedRecord>,
        stamp: RecordStamp,
        now: u64,
    ) -> Option<RecordChange> {
        let own = self.bytes(limits);
        let is_same = found.is_some_and(|found| found.bytes() == own);
        let seen = found.map(LoadedRecord::stamp);
        (!is_same).then(|| RecordChange::new(record_key(MARK), seen, stamp, own.to_vec(), kept_for_ever(now)))
    }

    /// The store has it from now on. Says so if it had another one.
    pub(super) fn is_kept(&self, limits: &Limits, found: Option<&LoadedRecord>) {
        self.is_kept.store(true, Ordering::Relaxed);
        let Some(found) = found.map(LoadedRecord::bytes) else { return };
        let own = self.bytes(limits);
        // What a later version keeps cannot be compared.
        if found.len() != LENGTH || found.first() != own.first() {
            return;
        }
        for (what, part) in [("key", 1..9), ("limits", 9..LENGTH)] {
            if found.get(part.clone()) != own.get(part) {
                telemetry::limiters_differ(what);
            }
        }
    }

    fn bytes(&self, limits: &Limits) -> [u8; LENGTH] {
        let mut bytes = [VERSION; LENGTH];
        let parts = self.key.into_iter().chain(limits.digest());
        bytes.iter_mut().skip(1).zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }
}
