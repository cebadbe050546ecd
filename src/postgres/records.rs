//! What a limiter counts.

use async_trait::async_trait;

use super::cells::Cells;
use super::connection::PostgresValue::{BigIntList, BytesList};
use super::failure::Failure;
use super::store::PostgresStore;
use crate::boundary::backend::BackendError;
use crate::boundary::records::{AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};
use crate::protocol::millis::floor;

fn read_record(cells: &mut Cells) -> Result<Option<LoadedRecord>, Failure> {
    let Some(stamp) = cells.bytes_or_none()? else { return Ok(None) };
    // What is none fails the attempts that touch it, and not all that are loaded with it: no record is empty.
    let Ok(stamp) = <[u8; 8]>::try_from(stamp) else {
        return Ok(Some(LoadedRecord::new(RecordStamp::from_bytes([0; 8]), Vec::new())));
    };
    Ok(Some(LoadedRecord::new(RecordStamp::from_bytes(stamp), cells.bytes()?)))
}

impl PostgresStore {
    async fn load_records(&self, keys: &[RecordKey]) -> Result<LoadedRecords, Failure> {
        let asked = keys.iter().map(|key| Some(&key.as_bytes()[..])).collect();
        let rows = self.rows(&self.statements().load_records, &[BytesList(asked)]).await?;
        let (mut now, mut records) = (None, Vec::with_capacity(keys.len()));
        for row in rows {
            let mut cells = Cells::of(row);
            now = now.max(Some(cells.instant()?));
            records.push(read_record(&mut cells)?);
        }
        let now = now.ok_or(Failure::Value("a look-up of no records"))?;
        Ok(LoadedRecords::new(now, records))
    }
}

#[async_trait]
impl AttemptRecords for PostgresStore {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        self.load_records(keys).await.map_err(Failure::into_backend)
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let (keys, seen): (Vec<_>, Vec<_>) = changes.iter().map(|change| (change.key(), change.seen())).unzip();
        let stamps: Vec<_> = changes.iter().map(RecordChange::stamp).collect();
        let values = [
            BytesList(keys.iter().map(|key| Some(&key.as_bytes()[..])).collect()),
            BytesList(seen.iter().map(|seen| seen.as_ref().map(|stamp| &stamp.as_bytes()[..])).collect()),
            BytesList(stamps.iter().map(|stamp| Some(&stamp.as_bytes()[..])).collect()),
            BytesList(changes.iter().map(|change| Some(change.bytes())).collect()),
            BigIntList(changes.iter().map(|change| floor(change.forgotten_at())).collect()),
        ];
        let answer = self.row(&self.statements().swap_records, &values).await;
        answer.and_then(|mut cells| cells.bool()).map_err(Failure::into_backend)
    }
}
