//! Stores of records that break one promise each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::limiter::{
    AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp,
};
use tower_password_grant::testing::contract;

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    FindsNothing,
    SkipsWhatIsNotThere,
    AnswersInItsOwnOrder,
    CutsBytesAtZero,
    KeepsTexts,
    KeepsShortRecords,
    TakesHalfOfTheKey,
    StampsAreSigned,
    ComparesNoStamp,
    ComparesHalfOfTheStamp,
    AbsentIsAnyStamp,
    AnyStampIsAbsent,
    TakesTheSameForDone,
    StopsAtTheFirstConflict,
    LooksAndThenKeeps,
    EachHandleHasItsOwn,
    ReadsACopyThatLags,
    RemovesWhatIsOver,
    HidesWhatIsOver,
    HandlesHaveTwoClocks,
    ShowsLocalTime,
    KeepsHalfWhenDropped,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::None, ""),
    (Fault::FindsNothing, "what was swapped is loaded"),
    (Fault::SkipsWhatIsNotThere, "`load` answers for each key that was asked for"),
    (Fault::AnswersInItsOwnOrder, "`load` answers in the order of the keys"),
    (Fault::CutsBytesAtZero, "what was swapped is loaded"),
    (Fault::KeepsTexts, "what was swapped is loaded"),
    (Fault::KeepsShortRecords, "what was swapped is loaded"),
    (Fault::TakesHalfOfTheKey, "keys are equal only if every byte is"),
    (Fault::StampsAreSigned, "what was swapped is loaded"),
    (Fault::ComparesNoStamp, "a swap is `false` if a record has another stamp"),
    (Fault::ComparesHalfOfTheStamp, "a swap is `false` if a record has another stamp"),
    (Fault::AbsentIsAnyStamp, "a swap is `false` if a record has another stamp"),
    (Fault::AnyStampIsAbsent, "a swap is `false` if a record has another stamp"),
    (Fault::TakesTheSameForDone, "the same change once more is `false`"),
    (Fault::StopsAtTheFirstConflict, "a swap with one stamp that is not there any more changes nothing at all"),
    (Fault::LooksAndThenKeeps, "of parallel swaps over the same stamps exactly one is `true`"),
    (Fault::EachHandleHasItsOwn, "what was swapped is loaded"),
    (Fault::ReadsACopyThatLags, "what was swapped is loaded"),
    (Fault::RemovesWhatIsOver, "a record is kept for a minute after its swap"),
    (Fault::HidesWhatIsOver, "a record is kept for a minute after its swap"),
    (Fault::HandlesHaveTwoClocks, "the time goes back by one second at most"),
    (Fault::ShowsLocalTime, "the time is that of one wall clock"),
    (Fault::KeepsHalfWhenDropped, "a swap that is dropped half-way happens whole or not at all"),
];

type Kept = BTreeMap<RecordKey, (LoadedRecord, SystemTime)>;

/// A store as plain as it can be, with a fault.
struct Sketch {
    fault: Fault,
    is_second: bool,
    kept: Arc<Mutex<Kept>>,
    /// As it was one swap ago.
    copy: Arc<Mutex<Kept>>,
    /// One swap after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
}

fn handles(fault: Fault) -> [Sketch; 2] {
    let (kept, copy) = (Arc::<Mutex<Kept>>::default(), Arc::<Mutex<Kept>>::default());
    let turn = Arc::default();
    [false, true].map(|is_second| {
        let own = || Arc::default();
        let kept = if fault == Fault::EachHandleHasItsOwn { own() } else { Arc::clone(&kept) };
        Sketch { fault, is_second, kept, copy: Arc::clone(&copy), turn: Arc::clone(&turn) }
    })
}

impl Sketch {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        match self.fault {
            Fault::HandlesHaveTwoClocks if self.is_second => now - Duration::from_secs(5),
            Fault::ShowsLocalTime => now + Duration::from_secs(3600),
            _ => now,
        }
    }

    fn key(&self, key: RecordKey) -> RecordKey {
        let mut bytes = *key.as_bytes();
        if self.fault == Fault::TakesHalfOfTheKey {
            bytes[8..].fill(0);
        }
        RecordKey::from_bytes(bytes)
    }

    fn record(&self, change: &RecordChange) -> LoadedRecord {
        let mut bytes = change.bytes().to_vec();
        let mut stamp = *change.stamp().as_bytes();
        match self.fault {
            Fault::CutsBytesAtZero => bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
            Fault::KeepsTexts => bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes(),
            Fault::KeepsShortRecords => bytes.truncate(512),
            Fault::StampsAreSigned => stamp[0] &= 0x7f,
            _ => {}
        }
        LoadedRecord::new(RecordStamp::from_bytes(stamp), bytes)
    }

    fn is_seen(&self, kept: &Kept, change: &RecordChange) -> bool {
        let there = kept.get(&self.key(change.key())).map(|(record, _)| record.stamp());
        let half = |stamp: RecordStamp| stamp.as_bytes()[..4].to_vec();
        match self.fault {
            Fault::ComparesNoStamp => true,
            Fault::ComparesHalfOfTheStamp => there.map(half) == change.seen().map(half),
            Fault::AbsentIsAnyStamp => change.seen().is_none() || there == change.seen(),
            Fault::AnyStampIsAbsent => there.is_none() || there == change.seen(),
            Fault::TakesTheSameForDone => there == change.seen() || there == Some(change.stamp()),
            Fault::StampsAreSigned => {
                let signed = |mut bytes: [u8; 8]| {
                    bytes[0] &= 0x7f;
                    RecordStamp::from_bytes(bytes)
                };
                there == change.seen().map(|seen| signed(*seen.as_bytes()))
            }
            _ => there == change.seen(),
        }
    }

    fn keep(&self, kept: &mut Kept, change: &RecordChange) {
        let key = self.key(change.key());
        if self.fault == Fault::RemovesWhatIsOver && change.forgotten_at() <= self.now() {
            kept.remove(&key);
        } else {
            kept.insert(key, (self.record(change), change.forgotten_at()));
        }
    }
}

#[async_trait]
impl AttemptRecords for Sketch {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        let kept = match self.fault {
            Fault::ReadsACopyThatLags if self.is_second => self.copy.lock().unwrap(),
            _ => self.lock(),
        };
        let now = self.now();
        let find = |key: &RecordKey| match kept.get(&self.key(*key)) {
            Some((_, until)) if self.fault == Fault::HidesWhatIsOver && *until <= now => None,
            _ if self.fault == Fault::FindsNothing => None,
            found => found.map(|(record, _)| record.clone()),
        };
        let mut found: Vec<_> = keys.iter().map(find).collect();
        match self.fault {
            Fault::SkipsWhatIsNotThere => found.retain(Option::is_some),
            Fault::AnswersInItsOwnOrder => found.sort_by_key(Option::is_none),
            _ => {}
        }
        Ok(LoadedRecords::new(now, found))
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let look = || changes.iter().all(|change| self.is_seen(&self.lock(), change));
        if self.fault == Fault::KeepsHalfWhenDropped {
            let _turn = self.turn.lock().await;
            let is_done = look();
            if is_done {
                self.keep(&mut self.lock(), &changes[0]);
                yield_now().await;
                changes[1..].iter().for_each(|change| self.keep(&mut self.lock(), change));
            }
            return Ok(is_done);
        }
        let looked = look();
        if self.fault == Fault::LooksAndThenKeeps {
            yield_now().await;
        }
        let mut kept = self.lock();
        *self.copy.lock().unwrap() = kept.clone();
        if self.fault == Fault::StopsAtTheFirstConflict {
            return Ok(changes.iter().all(|change| {
                let is_seen = self.is_seen(&kept, change);
                if is_seen {
                    self.keep(&mut kept, change);
                }
                is_seen
            }));
        }
        let is_done = match self.fault {
            Fault::LooksAndThenKeeps => looked,
            _ => changes.iter().all(|change| self.is_seen(&kept, change)),
        };
        if is_done {
            changes.iter().for_each(|change| self.keep(&mut kept, change));
        }
        Ok(is_done)
    }
}

#[test]
fn each_broken_store_of_records_is_told_which_promise_it_breaks() {
    let mut wrong = Vec::new();
    for (fault, promise) in FAULTS {
        let told = complaint(contract::attempt_records(async || handles(*fault)));
        if !told.contains(promise) || told.is_empty() != promise.is_empty() {
            wrong.push(format!("{fault:?}: {told:?} and not {promise:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
