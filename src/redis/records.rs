//! What a limiter counts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::Value;

use super::answers::{bytes, bytes_or_none, is_done, list};
use super::failure::Failure;
use super::scripts::Argument::Bytes;
use super::store::{RedisStore, end};
use crate::boundary::backend::BackendError;
use crate::boundary::records::{AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};

/// Seconds and microseconds, as the server says them.
fn time(seconds: Value, micros: Value) -> Result<SystemTime, Failure> {
    let number = |answer: Value| {
        let text = String::from_utf8(bytes(answer)?).ok();
        text.and_then(|text| text.parse().ok()).ok_or(Failure::Value("the time of the server"))
    };
    let since = Duration::from_secs(number(seconds)?).checked_add(Duration::from_micros(number(micros)?));
    since.and_then(|since| UNIX_EPOCH.checked_add(since)).ok_or(Failure::Value("the time of the server"))
}

/// A record stands behind its stamp.
fn read_record(found: Value) -> Result<Option<LoadedRecord>, Failure> {
    let Some(found) = bytes_or_none(found)? else { return Ok(None) };
    // What is none fails the attempts that touch it, and not all that are loaded with it: no record is empty.
    let (stamp, record) = found.split_first_chunk().unwrap_or((&[0; 8], &[]));
    Ok(Some(LoadedRecord::new(RecordStamp::from_bytes(*stamp), record.to_vec())))
}

impl RedisStore {
    async fn load_records(&self, keys: &[RecordKey]) -> Result<LoadedRecords, Failure> {
        let keys: Vec<String> = keys.iter().map(|key| self.keys().record(*key)).collect();
        if keys.is_empty() {
            return Err(Failure::Given("a look-up of no records"));
        }
        let mut answers = list(self.run(&self.scripts().load_records, &keys, &[]).await?)?.into_iter();
        let mut next = || answers.next().ok_or(Failure::Value("an answer of the server"));
        let now = time(next()?, next()?)?;
        let records = answers.map(read_record).collect::<Result<Vec<_>, _>>()?;
        Ok(LoadedRecords::new(now, records))
    }

    async fn swap_records(&self, changes: &[RecordChange]) -> Result<bool, Failure> {
        let keys: Vec<String> = changes.iter().map(|change| self.keys().record(change.key())).collect();
        let behind_stamp = |change: &RecordChange| [&change.stamp().as_bytes()[..], change.bytes()].concat();
        let records: Vec<Vec<u8>> = changes.iter().map(behind_stamp).collect();
        let seen: Vec<_> = changes.iter().map(RecordChange::seen).collect();
        let values = changes.iter().zip(&seen).zip(&records).flat_map(|((change, seen), record)| {
            let seen = seen.as_ref().map_or(&[][..], |stamp| &stamp.as_bytes()[..]);
            [Bytes(seen), Bytes(record), end(change.forgotten_at())]
        });
        let values: Vec<_> = values.collect();
        is_done(self.run(&self.scripts().swap_records, &keys, &values).await?)
    }
}

#[async_trait]
impl AttemptRecords for RedisStore {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        self.within(self.load_records(keys)).await
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        self.within(self.swap_records(changes)).await
    }
}
