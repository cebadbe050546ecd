//! What an operator may see of a limiter, and do: list the locks, look one up, lift them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::account::AccountKey;
use super::backend::OperationError;
use super::refusal::Limit;

/// For operators: which locks a limiter holds, and an end to them.
///
/// [`MemoryLimiter`](crate::limiter::MemoryLimiter) and the limiters over stores implement it, so that a route or a command-line tool for
/// operators is written once. It is not called by the endpoint.
///
/// ```
/// use tower_password_grant::user::AccountKey;
/// use tower_password_grant::limiter::{LimiterOperator, MemoryLimiter};
/// use tower_password_grant::error::OperationError;
///
/// /// Tells how many locks there are, and lifts those of one account.
/// async fn tidy(limiter: &dyn LimiterOperator) -> Result<usize, OperationError> {
///     let (mut locks, mut after) = (0, None);
///     loop {
///         let page = limiter.locks(after, 100).await?;
///         locks += page.locks.len();
///         after = page.next;
///         if after.is_none() {
///             break;
///         }
///     }
///     limiter.unblock_account(None, &AccountKey::resolved("user-17")).await?;
///     Ok(locks)
/// }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert_eq!(tidy(&MemoryLimiter::new()).await.unwrap(), 0);
/// # });
/// ```
///
/// # Contract
/// - [`locks`](Self::locks) walks through the locks by pages of a bounded size. A lock that holds from the first page to the last
///   is on exactly one of them; one that begins or ends meanwhile is on one or none. A page may have fewer locks than it may
///   hold, or none, before the last: the walk is over when there is no [`next`](LockPage::next).
/// - [`locks_of`](Self::locks_of) answers the same locks, of one account: that over all addresses, and those from single addresses
///   and networks; at most 1,000 of them.
/// - [`factor_locks_of`](Self::factor_locks_of) does the same for the second factor of one user, whose locks are on the pages, too.
/// - At least the locks that began in this process are listed. A limiter says which others are, and what it knows of their names.
/// - A lock is what the limits of the limiter that is asked make of the counts: a tool beside a server needs the server's
///   [`Limits`](crate::limiter::Limits), or it may list no lock though there are some. What it unblocks is unblocked under
///   any limits.
/// - What is unblocked or forgotten begins anew: the next attempt is charged as a first one is. Attempts that are under way hold
///   no place any more, and settling them takes nothing back.
/// - What keys count together, because the room was short, is not listed and ends by time only, except by
///   [`forget_everything`](Self::forget_everything).
///
/// # Security
/// A caller may guess without limit: keep it behind the operators' own door. The names of accounts are what
/// verifiers made of what a user typed, which may be a password in the wrong field: show them to operators, and keep them
/// out of logs.
///
/// # Cancellation
/// A call that is dropped may have been done, whole or, where it forgets much, in part. It may be called again.
///
/// # Errors
/// An [`OperationError`] where the store cannot be asked. Nothing is said then of what was done.
#[async_trait]
pub trait LimiterOperator: Send + Sync + 'static {
    /// The next page of locks that hold now: after a [cursor](LockPage::next), or the first with `None`, of `most` locks, which is
    /// taken as 1 to 1,000.
    async fn locks(&self, after: Option<LockCursor>, most: usize) -> Result<LockPage, OperationError>;

    /// The locks of one account, in no order: by which limits, from where, and how long. Empty if it is not locked by the limits
    /// of this limiter, and also where the key is of another kind than the verifier gives; see
    /// [`unblock_account`](Self::unblock_account). An address that has spent its own budget is refused whatever account it tries,
    /// and is not among them.
    async fn locks_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<Vec<ActiveLock>, OperationError>;

    /// Forgets all attempts on an account, from all addresses. Answers how many counts went that still held something; a limiter
    /// that does not look at each of them counts them as one. It is 0, too, where the key is of another kind than the verifier
    /// gives.
    /// With `Argon2Verifier` an account is [`resolved`](AccountKey::resolved) from its id; with `count_by_login_name`, and with
    /// a verifier without an `account_key` of its own, it is the [`canonical`](AccountKey::canonical) name.
    async fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<usize, OperationError>;

    /// Forgets all attempts from an address (IPv6: from its /64), on all accounts and clients; and what its /56 and its /48 have
    /// spent together, which would refuse it still. Answers how many counts of the address went, as for an account.
    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError>;

    /// Forgets the attempts on an account from one address; `None` for a host without addresses. Answers whether there were any.
    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError>;

    /// Forgets the attempts on a client's secret from one address. Answers whether there were any.
    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError>;

    /// The locks of one user's second factor, in no order: codes, recovery codes, messages with codes. The user is named by the
    /// subject of the tokens, which is not the key of the account. A challenge and an authenticator that have spent their own
    /// budget are not among them: that is over soon.
    async fn factor_locks_of(&self, realm: Option<&str>, subject: &str) -> Result<Vec<ActiveLock>, OperationError>;

    /// Forgets all attempts on one user's second factor, from all addresses: codes, recovery codes, and messages with codes. Answers
    /// how many counts went, as for an account. Somebody with the password may guess anew: do it once the owner has asked for it and was
    /// recognised, best together with a new password.
    async fn unblock_factor(&self, realm: Option<&str>, subject: &str) -> Result<usize, OperationError>;

    /// Forgets all attempts, all locks and from which addresses accounts succeeded. For tests, and for the day after an attack that
    /// has locked too many: a guesser begins anew, too.
    async fn forget_everything(&self) -> Result<(), OperationError>;
}

#[async_trait]
impl<L: LimiterOperator + ?Sized> LimiterOperator for Arc<L> {
    async fn locks(&self, after: Option<LockCursor>, most: usize) -> Result<LockPage, OperationError> {
        (**self).locks(after, most).await
    }

    async fn locks_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<Vec<ActiveLock>, OperationError> {
        (**self).locks_of(realm, account).await
    }

    async fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<usize, OperationError> {
        (**self).unblock_account(realm, account).await
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        (**self).unblock_address(address).await
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        (**self).unblock_account_at(realm, account, address).await
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        (**self).unblock_client(client_id, address).await
    }

    async fn factor_locks_of(&self, realm: Option<&str>, subject: &str) -> Result<Vec<ActiveLock>, OperationError> {
        (**self).factor_locks_of(realm, subject).await
    }

    async fn unblock_factor(&self, realm: Option<&str>, subject: &str) -> Result<usize, OperationError> {
        (**self).unblock_factor(realm, subject).await
    }

    async fn forget_everything(&self) -> Result<(), OperationError> {
        (**self).forget_everything().await
    }
}

/// The most locks of a page, or of one account.
pub(crate) const MOST_LOCKS: usize = 1000;

/// Some of the locks that hold now.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LockPage {
    /// The locks of this page, in no order.
    pub locks: Vec<ActiveLock>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<LockCursor>,
}

impl LockPage {
    /// A page, for a limiter of your own.
    #[must_use]
    pub const fn new(locks: Vec<ActiveLock>, next: Option<LockCursor>) -> Self {
        Self { locks, next }
    }
}

/// A place in the walk through the locks of one limiter: a digest, which names no account. Its bytes may go to a page for operators and
/// back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockCursor([u8; 24]);

impl LockCursor {
    /// A cursor from its bytes. Made-up ones begin anywhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// Its bytes, which mean something to the limiter alone.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// A cursor of three numbers.
    pub(crate) fn of_words(words: [u64; 3]) -> Self {
        let mut bytes = [0; 24];
        bytes.copy_from_slice(words.map(u64::to_le_bytes).as_flattened());
        Self(bytes)
    }

    /// The three numbers.
    pub(crate) fn words(&self) -> [u64; 3] {
        let (words, _) = self.0.as_chunks::<8>();
        [0, 1, 2].map(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
    }
}

/// A lock that holds now.
#[derive(Clone)]
#[non_exhaustive]
pub struct ActiveLock {
    /// The limit whose budget is spent.
    pub limit: Limit,
    /// How long it still lasts.
    pub remaining: Duration,
    /// The realm of the account, if there is one.
    pub realm: Option<String>,
    /// The account, if the limit counts on one. `None` too where its name is not known: names of more than 256 bytes and
    /// beyond 16,384 locks are not kept; and a lock in a store that began in another process, or before the last start, has
    /// no names, neither of an account nor of a client, and no address. One that was asked for by its account names it.
    pub account: Option<AccountKey<'static>>,
    /// The user's id as in the subject of tokens, if the limit counts on a second factor. `None` where it is not known, as for an
    /// account.
    pub subject: Option<String>,
    /// The client, if the limit counts on one, and its name is known.
    pub client_id: Option<String>,
    /// The address, if the limit counts on one, and it is known.
    pub address: Option<IpAddr>,
    /// How many of its bits the lock is on: 32 for IPv4; 64 for IPv6, or 56 or 48 where a whole network has spent its budget.
    pub prefix_len: Option<u8>,
}

impl ActiveLock {
    /// A lock of which nothing else is known, for a limiter of your own.
    #[must_use]
    pub const fn new(limit: Limit, remaining: Duration) -> Self {
        Self {
            limit,
            remaining,
            realm: None,
            account: None,
            client_id: None,
            subject: None,
            address: None,
            prefix_len: None,
        }
    }

    /// The same lock, which was found by its account.
    pub(crate) fn named(mut self, realm: Option<&str>, account: &AccountKey<'_>) -> Self {
        self.realm = realm.map(str::to_owned);
        self.account = Some(account.clone().into_owned());
        self
    }

    /// The same lock, which was found by its user.
    pub(crate) fn of_user(mut self, realm: Option<&str>, subject: &str) -> Self {
        self.realm = realm.map(str::to_owned);
        self.subject = Some(subject.to_owned());
        self
    }
}

impl fmt::Debug for ActiveLock {
    /// Without the account: people type passwords into the wrong field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveLock")
            .field("limit", &self.limit)
            .field("remaining", &self.remaining)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
