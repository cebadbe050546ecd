//! Stores of records that break one promise each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::limiter::{
    AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp, SharedKey, StoredLimiter,
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
    KeysAreTexts,
    KeysIgnoreCase,
    StampsAreSigned,
    ZeroStampIsNoRecord,
    NeverSwaps,
    ComparesNoStamp,
    ComparesHalfOfTheStamp,
    AbsentIsAnyStamp,
    AnyStampIsAbsent,
    TakesTheSameForDone,
    StopsAtTheFirstConflict,
    LooksAndThenKeeps,
    EachHandleHasItsOwn,
    ReadsACopyThatLags,
    WritesBehind,
    RemovesWhatIsOver,
    HidesWhatIsOver,
    HandlesHaveTwoClocks,
    ShowsLocalTime,
    ShowsWholeSeconds,
    ForgottenAtHas32Bits,
    DropsAfterAMinute,
    TakesSecondsForMillis,
    KeepsTheFirstTime,
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
    (Fault::KeysAreTexts, "keys are equal only if every byte is"),
    (Fault::KeysIgnoreCase, "keys are equal only if every byte is"),
    (Fault::ZeroStampIsNoRecord, "a stamp may have any bytes, all zeros too"),
    (Fault::NeverSwaps, "a swap of records that are not there, and were not seen, is `true`"),
    (Fault::StampsAreSigned, "what was swapped is loaded"),
    (Fault::ComparesNoStamp, "a swap is `false` if a record has another stamp"),
    (Fault::ComparesHalfOfTheStamp, "a swap is `false` if a record has another stamp"),
    (Fault::AbsentIsAnyStamp, "a swap is `false` if a record has another stamp"),
    (Fault::AnyStampIsAbsent, "a swap is `false` if a record has another stamp"),
    (Fault::TakesTheSameForDone, "the same change once more is `false`"),
    (Fault::StopsAtTheFirstConflict, "a swap with one stamp that is not there any more changes nothing at all"),
    (Fault::LooksAndThenKeeps, "of parallel swaps over the same stamps exactly one is `true`"),
    (Fault::EachHandleHasItsOwn, "`make` answers two handles of one store, not two stores"),
    (Fault::ReadsACopyThatLags, "no handle reads from a copy that lags behind"),
    (Fault::WritesBehind, "this one it saw only later"),
    (Fault::RemovesWhatIsOver, "a record is kept for a minute after its swap"),
    (Fault::HidesWhatIsOver, "a record is kept for a minute after its swap"),
    (Fault::HandlesHaveTwoClocks, "the time goes back by one second at most"),
    (Fault::ShowsLocalTime, "it is less than 600 seconds from that of the machine that runs the suite"),
    (Fault::ShowsWholeSeconds, "the time is in milliseconds or finer"),
    (Fault::ForgottenAtHas32Bits, "until the time from which it is forgotten, a hundred years ahead at most"),
    (Fault::KeepsHalfWhenDropped, "a swap that is dropped half-way happens whole or not at all"),
];

/// What only shows once time has passed.
const FAULTS_OVER_TIME: &[(Fault, &str)] = &[
    (Fault::None, ""),
    (Fault::DropsAfterAMinute, "a record is kept until the time from which it is forgotten"),
    (Fault::TakesSecondsForMillis, "a record is kept until the time from which it is forgotten"),
    (Fault::KeepsTheFirstTime, "a later swap replaces the time from which a record is forgotten"),
];

type Kept = BTreeMap<RecordKey, (LoadedRecord, SystemTime)>;

/// A store as plain as it can be, with a fault.
struct Sketch {
    fault: Fault,
    is_second: bool,
    kept: Arc<Mutex<Kept>>,
    /// As it was one swap ago.
    copy: Arc<Mutex<Kept>>,
    /// What is answered and not done yet, and how many loads there were since.
    behind: Arc<Mutex<(Vec<RecordChange>, usize)>>,
    /// One swap after the other.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// By how much its clock is ahead.
    passed: Arc<Mutex<Duration>>,
}

fn handles(fault: Fault) -> [Sketch; 2] {
    handles_by(fault, Arc::default())
}

fn handles_by(fault: Fault, passed: Arc<Mutex<Duration>>) -> [Sketch; 2] {
    let (kept, copy) = (Arc::<Mutex<Kept>>::default(), Arc::<Mutex<Kept>>::default());
    let (behind, turn) = (Arc::<Mutex<_>>::default(), Arc::default());
    [false, true].map(|is_second| {
        let own = || Arc::default();
        let kept = if fault == Fault::EachHandleHasItsOwn { own() } else { Arc::clone(&kept) };
        let (copy, behind, turn, passed) =
            (Arc::clone(&copy), Arc::clone(&behind), Arc::clone(&turn), Arc::clone(&passed));
        Sketch { fault, is_second, kept, copy, behind, turn, passed }
    })
}

impl Sketch {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    fn now(&self) -> SystemTime {
        let now = SystemTime::now() + *self.passed.lock().unwrap();
        match self.fault {
            Fault::ShowsWholeSeconds => {
                let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
                SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
            }
            Fault::HandlesHaveTwoClocks if self.is_second => now - Duration::from_secs(5),
            Fault::ShowsLocalTime => now + Duration::from_secs(3600),
            _ => now,
        }
    }

    fn key(&self, key: RecordKey) -> RecordKey {
        let mut bytes = *key.as_bytes();
        match self.fault {
            Fault::TakesHalfOfTheKey => bytes[8..].fill(0),
            Fault::KeysAreTexts => bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?'),
            Fault::KeysIgnoreCase => bytes.make_ascii_lowercase(),
            _ => {}
        }
        RecordKey::from_bytes(bytes)
    }

    /// From when on a record is gone.
    fn until(&self, change: &RecordChange, before: Option<SystemTime>) -> SystemTime {
        let (now, minute, until) = (self.now(), Duration::from_secs(60), change.forgotten_at());
        let kept = until.max(now + minute);
        match self.fault {
            Fault::HidesWhatIsOver => until,
            Fault::DropsAfterAMinute => now + minute,
            Fault::TakesSecondsForMillis => now + minute.max(kept.duration_since(now).unwrap() / 1000),
            Fault::KeepsTheFirstTime => before.unwrap_or(kept),
            Fault::ForgottenAtHas32Bits => {
                let seconds = kept.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i32;
                SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
            }
            _ => kept,
        }
    }

    /// Does what was answered before.
    fn catch_up(&self, kept: &mut Kept) {
        for change in std::mem::take(&mut self.behind.lock().unwrap().0) {
            self.keep(kept, &change);
        }
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
            Fault::ZeroStampIsNoRecord => {
                let number = |stamp: Option<RecordStamp>| stamp.map_or([0; 8], |stamp| *stamp.as_bytes());
                number(there) == number(change.seen())
            }
            Fault::NeverSwaps => false,
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
            let until = self.until(change, kept.get(&key).map(|(_, until)| *until));
            kept.insert(key, (self.record(change), until));
        }
    }
}

#[async_trait]
impl AttemptRecords for Sketch {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        let loads = {
            let mut behind = self.behind.lock().unwrap();
            behind.1 += 1;
            behind.1
        };
        if loads > 4 {
            self.catch_up(&mut self.lock());
        }
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
        let now = self.now();
        self.catch_up(&mut self.lock());
        self.lock().retain(|_, (_, until)| *until > now);
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
        if is_done && self.fault == Fault::WritesBehind {
            *self.behind.lock().unwrap() = (changes.to_vec(), 0);
        } else if is_done {
            changes.iter().for_each(|change| self.keep(&mut kept, change));
        }
        Ok(is_done)
    }
}

/// Holds each store to the suite, which says which promise it breaks.
fn assert_told(faults: &[(Fault, &str)], told: impl Fn(Fault) -> String) {
    let mut wrong = Vec::new();
    for (fault, promise) in faults {
        let told = told(*fault);
        if !told.contains(promise) || told.is_empty() != promise.is_empty() {
            wrong.push(format!("{fault:?}: {told:?} and not {promise:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_broken_store_of_records_is_told_which_promise_it_breaks() {
    assert_told(FAULTS, |fault| complaint(contract::attempt_records(async || handles(fault))));
}

#[test]
fn a_store_that_forgets_records_too_early_is_told_so_as_time_passes() {
    assert_told(FAULTS_OVER_TIME, |fault| {
        let passed = Arc::<Mutex<Duration>>::default();
        let make = async || handles_by(fault, Arc::clone(&passed));
        let pass = async |time| *passed.lock().unwrap() += time;
        complaint(contract::attempt_records_over_time(make, pass))
    });
}

#[test]
fn a_limiter_over_a_store_that_never_swaps_is_told_why_it_fails() {
    let key = SharedKey::new([7; 32]).unwrap();
    let make = async || handles(Fault::NeverSwaps).map(|records| StoredLimiter::new(records, &key));
    let told = complaint(contract::attempt_limiter(make));
    assert!(told.contains("another was first 64 times"), "{told}");
}
