//! The records of a turn: loaded once, stepped over by one operation after the other, swapped once.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::{Record, RecordError};
use super::touched::{EVERYTHING, Held, Touched, TouchedKeys, Tried};
use crate::boundary::backend::BackendError;
use crate::boundary::records::{LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};
use crate::limiter::step::budget::millis;
use crate::limiter::step::key::Key;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::slots::Slot;

/// The farthest that a record is kept for, in milliseconds: a hundred years.
const FARTHEST: u64 = 100 * 366 * 24 * 3_600_000;

pub(super) struct Sheet<'a> {
    limits: &'a Limits,
    /// Of the store, in milliseconds since 1970.
    now: u64,
    /// The latest time at which an operation has changed one of the records.
    latest: u64,
    /// One that cannot be read fails the operations that touch it, and no others.
    records: BTreeMap<Key, Result<Held, RecordError>>,
}

/// Which records are asked for.
pub(super) fn record_keys(keys: impl IntoIterator<Item = Key>) -> Vec<RecordKey> {
    keys.into_iter().map(record_key).collect()
}

/// Keys in their order have bytes in theirs.
pub(super) fn record_key((guess, network): Key) -> RecordKey {
    let mut bytes = [0; 16];
    bytes.copy_from_slice([guess, network].map(u64::to_be_bytes).as_flattened());
    RecordKey::from_bytes(bytes)
}

fn held(key: Key, found: Option<&LoadedRecord>) -> Result<Held, RecordError> {
    let before = found.map(|found| Record::from_bytes(found.bytes())).transpose()?.unwrap_or_default();
    Ok(Held { key, seen: found.map(LoadedRecord::stamp), before, record: before, is_fence: false })
}

impl<'a> Sheet<'a> {
    /// What was loaded for these keys, in their order.
    pub(super) fn read(limits: &'a Limits, keys: &[Key], loaded: &LoadedRecords) -> Result<Self, BackendError> {
        if loaded.records().len() != keys.len() {
            return Err(BackendError::fault("a store of records did not answer for each key"));
        }
        let records = keys.iter().zip(loaded.records()).map(|(key, found)| (*key, held(*key, found.as_ref())));
        let now = millis(loaded.now().duration_since(UNIX_EPOCH).unwrap_or_default());
        Ok(Self { limits, now, latest: now, records: records.collect() })
    }

    /// The records of an operation, as those before it have left them.
    pub(super) fn touched(&self, keys: &TouchedKeys) -> Result<Touched<'a>, BackendError> {
        let as_left = |key| match self.records.get(&key) {
            Some(Ok(held)) => Ok(Held { before: held.record, is_fence: false, ..*held }),
            Some(Err(error)) => Err(BackendError::from(*error)),
            None => Err(BackendError::fault("a record was not loaded")),
        };
        let held = keys.iter().map(as_left).collect::<Result<_, BackendError>>()?;
        Ok(Touched::new(self.limits, self.now, held))
    }

    /// Keeps what an operation has changed, for those behind it and for the swap. `None`: nothing.
    pub(super) fn keep(&mut self, touched: Touched<'_>, stamp: RecordStamp) -> Option<Tried> {
        let Touched { now, held, .. } = touched;
        let mut seen = Vec::new();
        for changed in held.into_iter().filter(Held::is_changed) {
            seen.push((changed.key, changed.seen));
            if let Some(Ok(kept)) = self.records.get_mut(&changed.key) {
                kept.record = changed.record;
                kept.record.counts.touch(now);
                kept.is_fence = true;
            }
        }
        if seen.is_empty() {
            return None;
        }
        self.latest = self.latest.max(now);
        Some(Tried { stamp, seen })
    }

    /// The time, in milliseconds since 1970.
    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// What is to be swapped.
    pub(super) fn changes(&mut self, stamp: RecordStamp) -> Vec<RecordChange> {
        let (limits, farthest) = (self.limits, self.latest.saturating_add(FARTHEST));
        let changed = self.records.values_mut().flatten().filter(|held| held.is_fence);
        let change = |held: &mut Held| {
            held.record.history.push(stamp);
            let until = forgotten_at(limits, held.key, &held.record).min(farthest);
            RecordChange::new(record_key(held.key), held.seen, stamp, held.record.to_bytes(), time(until))
        };
        changed.map(change).collect()
    }
}

/// From when on a record says nothing, in milliseconds.
fn forgotten_at(limits: &Limits, key: Key, record: &Record) -> u64 {
    let (policy, counts) = (&limits.policy, &record.counts);
    let memory = match key {
        EVERYTHING => return u64::MAX,
        (0, _) => policy.memory(Slot::Address),
        (_, 0) => policy.memory(Slot::Account),
        _ => policy.memory(Slot::Pair),
    };
    // As long as there may be a record that was forgotten with it, or one that it names.
    let names = if record.locked == Default::default() { 0 } else { counts.changed };
    let others = match names.max(record.cleared) {
        0 => 0,
        since => since.saturating_add(policy.longest_memory()),
    };
    counts.counts_until(memory).max(counts.remembers_until(limits.lifetime)).max(others)
}

/// As late as a record may be kept.
pub(super) fn kept_for_ever(now: u64) -> SystemTime {
    time(now.saturating_add(FARTHEST))
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
