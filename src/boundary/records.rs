//! Where the counts of attempts are kept: load some records, swap some.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::backend::BackendError;
use super::clock::SharedClock;

/// Keeps the records of a limiter, and decides nothing: a database that several processes share needs these two operations and
/// no others. What the records say, and when an attempt is refused, is the business of the limiter over them.
///
/// The suites `testing::contract::attempt_records` and `attempt_records_over_time` (feature `testing`) hold your own store to all
/// that is said here.
///
/// These are the methods to copy; [traits](crate::manual::traits) has a whole one.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::limiter::{
///     AttemptRecords, LoadedRecords, RecordChange, RecordKey,
/// };
///
/// struct Records { /* your pool */ }
///
/// #[async_trait]
/// impl AttemptRecords for Records {
///     async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
///         # let none = keys.iter().map(|_| None).collect();
///         # return Ok(LoadedRecords::new(std::time::SystemTime::now(), none));
///         // SELECT now(), .. one entry for each key, in their order
///     }
///
///     async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
///         # let _ = changes; return Ok(false);
///         // In one transaction, each if its stamp is still `change.seen()`
///     }
/// }
/// ```
///
/// # Contract
/// - [`load`](Self::load) answers its time, and for each key, in their order, the record or `None`. It sees every swap that was
///   answered before it began, in whatever process: it does not read from a copy that lags behind. The records of one call
///   may be of different moments of that call.
/// - [`swap`](Self::swap) is one atomic step over all its changes: if each record still has the stamp that was
///   [seen](RecordChange::seen), and those seen as `None` are not there, it keeps every change and answers `true`. Else it
///   changes nothing at all and answers `false`. So the same change once more is answered `false`.
/// - Keys, stamps and bytes come back exactly as they were given. No byte of them means anything to the store. A record has at
///   most [1,024 bytes](RecordChange::MOST_BYTES).
/// - A record is kept until it is [forgotten](RecordChange::forgotten_at), and for one minute after its last swap at least,
///   **however early that time is**. After both, the store may remove it at any time: with it goes its stamp, and it is
///   `None` from then on. A store that removes a record at once because its time is over, as Redis does with an expiry in the
///   past, loses a charge and answers `true` to the next swap of the same record.
/// - The time is that of one wall clock for all processes, such as the database's own. From one `load` to the next it goes back
///   by one second at most. Where it went back, locks last longer by that; where it jumps ahead, they end sooner.
/// - In one call all keys are different and in rising order, so that a store which locks one record after the other never waits
///   in a circle. There are [as many as the store says](Self::most_records) at most.
///
/// # Security
/// A swap that was answered and is lost is a guess for free: it is as durable as the answer of the guess must be. Half a swap,
/// or one over a stamp that was not there any more, is a guess for free, too. The records hold no names and no addresses, only
/// keyed digests of them and counts; but a program that can write them can lift any lock.
///
/// # Cancellation
/// The future is dropped when the client hangs up or a [deadline](crate::mount::RequestLimits::store_deadline) passes. A swap
/// happens whole or not at all.
///
/// # Errors
/// A [`BackendError`] answers 503: no secret is verified without a count. It must be given when it is not known whether a swap
/// happened; the limiter finds it out by the stamp. That another was first is no error.
#[async_trait]
pub trait AttemptRecords: Send + Sync + 'static {
    /// Loads the records of these keys, in their order.
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError>;

    /// Keeps all changes if each record still has the stamp that was seen, and answers whether it did.
    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError>;

    /// How many records one call may be about: what waits in a process goes into one load and one swap, up to so many. Default: 512. A
    /// store whose transactions hold less says so. One attempt has 16 at most, which are in one call whatever is said here.
    fn most_records(&self) -> usize {
        512
    }

    /// Takes the clock of the endpoint or guard that the part is given to, and answers whether the part goes by it from now on.
    /// Default: yes, for a store whose own clock shows the time of day. One that needs the time from outside answers whether it takes it.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

#[async_trait]
impl<S: AttemptRecords + ?Sized> AttemptRecords for Arc<S> {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        (**self).load(keys).await
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        (**self).swap(changes).await
    }

    fn most_records(&self) -> usize {
        (**self).most_records()
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}

/// The key of a record: 16 bytes, equal for the same account, client or address in all processes that have the same key of
/// digests.
///
/// The first eight bytes are a keyed digest of the account or client, the last eight one of the address. Eight zeros stand for
/// none, so all records of addresses begin alike, and those of accounts end alike. To spread records over shards or partitions,
/// hash the whole key: a prefix or a suffix of it puts all of one kind in one place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey([u8; 16]);

impl RecordKey {
    /// A key from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({:032x})", u128::from_be_bytes(self.0))
    }
}

/// Which swap a record is of: 8 random bytes that are new with each swap. By its stamp a record is known to be unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordStamp([u8; 8]);

impl RecordStamp {
    /// A stamp from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for RecordStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordStamp({:016x})", u64::from_be_bytes(self.0))
    }
}

/// The answer to [`AttemptRecords::load`].
#[derive(Debug)]
pub struct LoadedRecords {
    now: SystemTime,
    records: Vec<Option<LoadedRecord>>,
}

impl LoadedRecords {
    /// The store's time, and for each key that was asked for, in their order, its record.
    #[must_use]
    pub const fn new(now: SystemTime, records: Vec<Option<LoadedRecord>>) -> Self {
        Self { now, records }
    }

    /// The time by the store's clock, in milliseconds or finer.
    #[must_use]
    pub const fn now(&self) -> SystemTime {
        self.now
    }

    /// The record of each key that was asked for, in their order.
    #[must_use]
    pub fn records(&self) -> &[Option<LoadedRecord>] {
        &self.records
    }
}

/// A record as it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct LoadedRecord {
    stamp: RecordStamp,
    bytes: Vec<u8>,
}

impl LoadedRecord {
    /// What the last swap gave.
    #[must_use]
    pub const fn new(stamp: RecordStamp, bytes: Vec<u8>) -> Self {
        Self { stamp, bytes }
    }

    /// Which swap it is of.
    #[must_use]
    pub const fn stamp(&self) -> RecordStamp {
        self.stamp
    }

    /// What it holds.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for LoadedRecord {
    /// Without the bytes, in which there is a digest of a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedRecord").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// One change of [`AttemptRecords::swap`].
#[derive(Clone)]
pub struct RecordChange {
    key: RecordKey,
    seen: Option<RecordStamp>,
    stamp: RecordStamp,
    bytes: Vec<u8>,
    forgotten_at: SystemTime,
}

impl RecordChange {
    /// The most bytes of a record.
    pub const MOST_BYTES: usize = 1_024;

    /// What is to be kept under this key, if its record still has the stamp that was seen.
    #[must_use]
    pub const fn new(
        key: RecordKey,
        seen: Option<RecordStamp>,
        stamp: RecordStamp,
        bytes: Vec<u8>,
        forgotten_at: SystemTime,
    ) -> Self {
        Self { key, seen, stamp, bytes, forgotten_at }
    }

    /// Whose record it is.
    #[must_use]
    pub const fn key(&self) -> RecordKey {
        self.key
    }

    /// The stamp that the record must still have; `None` if there must be no record.
    #[must_use]
    pub const fn seen(&self) -> Option<RecordStamp> {
        self.seen
    }

    /// The stamp that it has from then on.
    #[must_use]
    pub const fn stamp(&self) -> RecordStamp {
        self.stamp
    }

    /// What it holds from then on.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From when on, by the store's clock, it says nothing any more and may be removed, but not within one minute of the swap. It
    /// replaces what an earlier swap gave, even if that was later. It may lie in the past, and a hundred years ahead at most.
    #[must_use]
    pub const fn forgotten_at(&self) -> SystemTime {
        self.forgotten_at
    }
}

impl fmt::Debug for RecordChange {
    /// Without the bytes, in which there is a digest of a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordChange")
            .field("key", &self.key)
            .field("seen", &self.seen)
            .field("stamp", &self.stamp)
            .field("forgotten_at", &self.forgotten_at)
            .finish_non_exhaustive()
    }
}
