//! What a limiter counts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use redis::Value;

use super::answers::{bytes, bytes_or_none, is_done, list};
use super::failure::Failure;
use super::replicas::Replicas;
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

fn read_records(answer: Value) -> Result<LoadedRecords, Failure> {
    let mut answers = list(answer)?.into_iter();
    let mut next = || answers.next().ok_or(Failure::Value("an answer of the server"));
    let now = time(next()?, next()?)?;
    let records = answers.map(read_record).collect::<Result<Vec<_>, _>>()?;
    Ok(LoadedRecords::new(now, records))
}

impl RedisStore {
    /// `owed_to`: the replicas that must have first what was written.
    async fn load_records(&self, keys: &[RecordKey], owed_to: Option<&Replicas>) -> Result<LoadedRecords, Failure> {
        let keys: Vec<String> = keys.iter().map(|key| self.keys().record(*key)).collect();
        if keys.is_empty() {
            return Err(Failure::Given("a look-up of no records"));
        }
        let script = &self.scripts().load_records;
        read_records(match owed_to {
            None => self.run(script, &keys, &[]).await?,
            Some(replicas) => replicas.pay(self.keys().written(), script, &keys).await?,
        })
    }

    /// Whether the replicas that are to be waited for have what is written now.
    pub(super) async fn replicas_follow(&self) -> Result<bool, BackendError> {
        let Some(replicas) = self.replicas() else { return Ok(true) };
        let asked = async {
            match self.load_records(&[RecordKey::from_bytes([0; 16])], Some(replicas)).await {
                Err(Failure::Replicas { .. }) => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        self.within(asked).await
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
        let script = &self.scripts().swap_records;
        is_done(match self.replicas() {
            None => self.run(script, &keys, &values).await?,
            Some(replicas) => replicas.run(script, &keys, &values, |answer| *answer != Value::Int(0)).await?,
        })
    }
}

#[async_trait]
impl AttemptRecords for RedisStore {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        match self.replicas().filter(|replicas| replicas.is_owed()) {
            None => self.within(self.load_records(keys, None)).await,
            Some(replicas) => self.within_with(replicas, self.load_records(keys, Some(replicas))).await,
        }
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        match self.replicas() {
            None => self.within(self.swap_records(changes)).await,
            Some(replicas) => self.within_with(replicas, self.swap_records(changes)).await,
        }
    }
}
