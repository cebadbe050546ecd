//! The counts of a limiter in a map: as plain as [`AttemptRecords`] can be, and as forgetful as they may be.

use std::collections::HashMap;
use std::sync::Arc;
#[cfg(not(shuttle))]
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
#[cfg(shuttle)]
use shuttle::sync::Mutex;
use tower_password_grant::BackendError;
use tower_password_grant::clock::{Clock, SystemClock};
use tower_password_grant::limiter::{
    AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp,
};

/// How long a record is kept after its swap, however early it is forgotten.
const LEAST: Duration = Duration::from_secs(60);

/// Clones are handles of the same records.
#[derive(Clone)]
pub struct MapRecords {
    kept: Arc<Mutex<HashMap<RecordKey, Kept>>>,
    clock: Arc<dyn Clock>,
}

struct Kept {
    record: LoadedRecord,
    until: SystemTime,
}

impl MapRecords {
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { kept: Arc::default(), clock }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.kept.lock().unwrap().len()
    }

    /// The bytes of all records.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.kept.lock().unwrap().values().map(|kept| kept.record.bytes().to_vec()).collect()
    }

    /// Changes the bytes of all records, as another program might.
    pub fn rewrite(&self, mut rewritten: impl FnMut(&[u8]) -> Vec<u8>) {
        for kept in self.kept.lock().unwrap().values_mut() {
            kept.record = LoadedRecord::new(kept.record.stamp(), rewritten(kept.record.bytes()));
        }
    }
}

fn stamp(kept: Option<&Kept>) -> Option<RecordStamp> {
    kept.map(|kept| kept.record.stamp())
}

#[async_trait]
impl AttemptRecords for MapRecords {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        let (mut kept, now) = (self.kept.lock().unwrap(), self.clock.now());
        kept.retain(|_, kept| kept.until > now);
        Ok(LoadedRecords::new(now, keys.iter().map(|key| kept.get(key).map(|kept| kept.record.clone())).collect()))
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let (mut kept, now) = (self.kept.lock().unwrap(), self.clock.now());
        kept.retain(|_, kept| kept.until > now);
        if changes.iter().any(|change| stamp(kept.get(&change.key())) != change.seen()) {
            return Ok(false);
        }
        for change in changes {
            let record = LoadedRecord::new(change.stamp(), change.bytes().to_vec());
            kept.insert(change.key(), Kept { record, until: change.forgotten_at().max(now + LEAST) });
        }
        Ok(true)
    }
}
