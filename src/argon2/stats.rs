//! What the hashing threads did.

use std::time::Duration;

/// A look at the hashing threads, for metrics and alerts; see [`Argon2Verifier::stats`](super::Argon2Verifier::stats).
/// Counts are those since the verifier was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashingStats {
    /// Threads that hash.
    pub threads: usize,
    /// Jobs that are being hashed now; never more than `threads`.
    pub running: usize,
    /// The most jobs that were ever hashed at once.
    pub peak_running: usize,
    /// Jobs that wait now.
    pub waiting: usize,
    /// Of these, how many have a place that is kept for accounts at addresses from which they logged in before.
    pub waiting_reserved: usize,
    /// How many jobs may wait at the present speed.
    pub capacity: usize,
    /// Of these places, how many are kept. If `waiting_reserved` stays near it, even users that come back have to wait.
    pub reserved: usize,
    /// The moving average of what one job takes.
    pub mean_time: Duration,
    /// Runs of a password hash, of any algorithm.
    pub hashes: u64,
    /// Jobs that were dropped unhashed because their client had hung up.
    pub abandoned: u64,
    /// Requests that were refused because the queue was full.
    pub refused: u64,
    /// Requests that were refused because their address had its share of the queue, and that are not in `refused`. If it
    /// grows while `waiting` stays far below `capacity`, one sender is too eager, or many users stand behind one address.
    pub refused_by_share: u64,
    /// Jobs that were refused unhashed because they had a kept place on loan, which was needed. It grows under a flood of
    /// guesses; those jobs came last.
    pub displaced: u64,
    /// Jobs that were refused unhashed because they had waited longer than the deadline of the queue. Hashes take much
    /// longer than they did: the processor or the memory is short.
    pub expired: u64,
    /// Refusals that are held back now.
    pub held: usize,
    /// Jobs that panicked. It should stay 0.
    pub panicked: u64,
    /// Checks of stored hashes that could not be read, whose cost is above the limits, or that could not be compared with the
    /// password. An event names each one's format and cause, if `tracing` is on. See
    /// [password hashes](crate::manual::password_hashes).
    pub unusable_hashes: u64,
    /// Upgraded hashes that the store failed to save, or did not keep as they were.
    pub failed_saves: u64,
}
