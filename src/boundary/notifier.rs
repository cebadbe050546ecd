//! Notices to the owner of a locked account.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::account::AccountKey;
use super::limiter::Limit;

/// An account that was just locked by the attack protection.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct LockNotice<'a> {
    /// The limit whose budget is spent.
    pub limit: Limit,
    /// The realm of the request, if its client lists some.
    pub realm: Option<&'a str>,
    /// The account's key, from the verifier; never of a name that the verifier resolved to nothing. Under a key that is a
    /// login name there may be no account at all.
    pub account: &'a AccountKey<'a>,
    /// The address of the attempt that spent the budget.
    pub address: Option<IpAddr>,
    /// How long the lock lasts from now.
    pub lasts: Duration,
}

impl fmt::Debug for LockNotice<'_> {
    /// Without the account: people type passwords into the wrong field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockNotice").field("limit", &self.limit).field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// Gets a notice when an account was locked, to send its owner a message.
///
/// # Contract
/// - Called at most once for each account and lock, however many addresses are locked meanwhile. The default limiter keeps
///   count in a bounded table; while that is full no notice goes out, so that no owner can be flooded with messages.
/// - Called on the async threads: it must not block. Put the notice into a bounded queue.
///
/// # Security
/// The locked account may have no owner: look the key up, and send nothing where there is none. A message must not name the
/// guesser, and must not hold a link that lifts the lock for every holder.
pub trait LockNotifier: Send + Sync + 'static {
    /// Takes one notice.
    fn locked(&self, notice: &LockNotice<'_>);
}

impl<N: LockNotifier + ?Sized> LockNotifier for Arc<N> {
    fn locked(&self, notice: &LockNotice<'_>) {
        (**self).locked(notice);
    }
}

impl<F: Fn(&LockNotice<'_>) + Send + Sync + 'static> LockNotifier for F {
    fn locked(&self, notice: &LockNotice<'_>) {
        self(notice);
    }
}
