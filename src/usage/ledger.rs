//! The ledger: what an application holds.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::books::Books;
use super::report::UsageReport;
use super::seen::of_event;
use super::task::{READING, Shared, call};
use crate::boundary::audit::{AuditEvent, AuditSink};
use crate::boundary::backend::OperationError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::login_note::{LoginNote, LoginNotes, NotedLogin};
use crate::boundary::setting::{SettingError, one_or_more};
use crate::boundary::sync::{Mutex, held};
use crate::boundary::usage::UsageStore;
use crate::observe::telemetry;
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::ClientUser;
use crate::protocol::usage::stayers::{PageKey, StayersPage};
use crate::protocol::usage::way::LoginWay;

/// Room for so many entries, until they are written.
const CAPACITY: usize = 65_536;
/// How many days a row is kept after its user was last seen by it.
const RETENTION: u32 = 400;

/// Notes which users log in how, and says which of them still need the password grant. Cloning is cheap; clones are one ledger.
///
/// Give it to [`Builder::usage`](crate::Builder::usage). A login is put into a bounded queue and waits for nothing: a task, which the first
/// login begins on its runtime, writes rows and counts in batches, some once a second. A row is written only where one of its days
/// changes, so that a user costs one write a day, and one more on a day with a refresh. A store that fails or hangs is tried again after 1
/// second, and then after twice as long each time, up to a minute. What finds no room meanwhile is missed, and the report says how much.
///
/// ```
/// use std::sync::Arc;
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::ClientId;
/// use tower_password_grant::store::MemoryUsage;
/// use tower_password_grant::usage::{Page, UsageLedger};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const DAY: Duration = Duration::from_secs(86_400);
///
/// let usage = UsageLedger::new(MemoryUsage::new());
/// // PasswordGrant::builder().usage(usage.clone()) ...
///
/// // Where your code flow logs a user in that the layer does not see:
/// let app = ClientId::new("app")?;
/// usage.note(&app, "user-17", None, SystemTime::now());
///
/// let report = usage.report(DAY * 30).await?;
/// println!("{report}");
/// assert_eq!(report.clients[0].only_by_password, 0);
/// let last_users = usage.stayers(&app, &Page::first(DAY * 30)).await?;
/// assert!(last_users.stayers.is_empty());
/// usage.flush().await?; // before the process ends
/// # Ok(()) }
/// ```
///
/// # What a row has
/// Client, realm, subject, the [way](crate::usage::LoginWay), whether a password began the login, the days of the first and the last
/// login, the last day of a refresh, and the day from which on no refresh token family of it lives. A refresh is of the way of the login that
/// began its family, and tells the day of that login, too, so that a ledger learns of logins from before its time; not where a second
/// factor was shown beside the password, as that may have been at a refresh. Such a refresh is no new login. Days are in UTC, by
/// the time of the events; a clock that is set back takes none back. No day lies ahead: what comes with a later one, from
/// [`note`](Self::note) or from a clock that is set forward for a moment, counts for the day on which it is entered. A clock that stays
/// ahead is believed after an hour.
///
/// # What is lost
/// What waits when the process ends without [`flush`](Self::flush): some seconds of logins. Several processes may write to one store.
#[derive(Clone)]
pub struct UsageLedger(Arc<Handle>);

/// What ends with the last clone. The task holds the rest.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        held(self.0.queue.lock()).is_closed = true;
        self.0.wake.notify_one();
    }
}

/// Which of the last users of a client are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// How far back a user has to be seen, from today.
    pub window: Duration,
    /// The most users of the page, 1 to 1,000. Default: 100.
    pub size: usize,
    /// The [`next`](StayersPage::next) of the page before.
    pub after: Option<PageKey>,
}

impl Page {
    /// The first page.
    #[must_use]
    pub const fn first(window: Duration) -> Self {
        Self { window, size: 100, after: None }
    }

    /// Of so many users at most, 1 to 1,000.
    #[must_use]
    pub fn of(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// The page that goes on there.
    #[must_use]
    pub fn after(self, next: Option<PageKey>) -> Self {
        Self { after: next, ..self }
    }
}

impl UsageLedger {
    /// A ledger over this store. Default: 65,536 entries may wait, and what was last seen 400 days ago is forgotten.
    #[must_use]
    pub fn new(store: impl UsageStore) -> Self {
        Self(Arc::new(Handle(Arc::new(Shared {
            store: Box::new(store),
            clock: PartClock::system(),
            capacity: CAPACITY,
            retention: RETENTION,
            queue: Mutex::default(),
            books: AsyncMutex::new(Books::new(CAPACITY)),
            today: Mutex::default(),
            wake: Notify::new(),
        }))))
    }

    /// Another clock. Default: the one that the endpoint [hands](Clock) to it, else the operating system's. For tests. Call it, as each
    /// `with_..`, before the ledger is cloned: clones stay as they are.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.changed(|shared| shared.clock = PartClock::given(clock))
    }

    /// How many days a row is kept after its user was last seen by it, and a count. A row with a refresh token family that lives is kept
    /// longer. Default: 400, so that there is a year to compare with.
    ///
    /// # Errors
    /// Fails when it is none.
    pub fn with_retention(self, days: u32) -> Result<Self, SettingError> {
        let days = one_or_more("UsageLedger::with_retention", days)?;
        Ok(self.changed(|shared| shared.retention = days))
    }

    /// How many logins and refreshes may wait to be written, and how many rows after that. One takes some 100 bytes and its subject.
    /// Default: 65,536, which is ten minutes of a hundred logins a second. More are missed, not waited for.
    ///
    /// # Errors
    /// Fails when it is none.
    pub fn with_capacity(self, entries: usize) -> Result<Self, SettingError> {
        let entries = one_or_more("UsageLedger::with_capacity", entries)?;
        Ok(self.changed(|shared| {
            shared.capacity = entries;
            shared.books = AsyncMutex::new(Books::new(entries));
        }))
    }

    /// Changes a ledger that is not at work yet. One that has clones stays as it is.
    fn changed(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.0).and_then(|handle| Arc::get_mut(&mut handle.0)) {
            change(shared);
        }
        self
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Writes what waits, as far as the store takes it, and answers how many rows wait on.
    async fn write_first(&self) -> u64 {
        let shared = self.shared();
        let mut books = shared.books.lock().await;
        match shared.write(&mut books).await {
            Ok(()) => 0,
            Err(failure) => {
                telemetry::background_failed("recording usage", &failure);
                books.waiting() as u64
            }
        }
    }

    fn today(&self) -> Day {
        Day::of(self.shared().clock.now())
    }

    /// Notes a login that the layer does not see, such as one by the code flow of another server: its user has moved. `client` is the
    /// one whose users are to be counted, `subject` and `realm` as in the tokens of the password grant, `at` when it was: a time to come
    /// counts for today. A realm that no client can have, empty or with a `|`, is not kept but missed.
    pub fn note(&self, client: &ClientId, subject: &str, realm: Option<&str>, at: SystemTime) {
        if realm.is_some_and(|realm| realm.is_empty() || realm.contains('|')) {
            return held(self.shared().queue.lock()).miss(at);
        }
        let user = ClientUser::new(client, realm, subject);
        let login = NotedLogin { way: LoginWay::Elsewhere, is_by_password: false, goes_on: false, at, family: None };
        self.shared().put(&LoginNote { user, login });
    }

    /// Writes what waits. Call it before the process ends.
    ///
    /// # Errors
    /// Fails when the store does; what it has not taken waits on.
    pub async fn flush(&self) -> Result<(), OperationError> {
        let shared = self.shared();
        let mut books = shared.books.lock().await;
        Ok(shared.write(&mut books).await?)
    }

    /// Which users have logged in how within this time, rounded up to whole days, of which today is the last. What waits is written
    /// first. With the feature `metrics` each report sets the gauges `oauth_usage_*`.
    ///
    /// # Errors
    /// Fails when the store cannot say it.
    pub async fn report(&self, window: Duration) -> Result<UsageReport, OperationError> {
        let shared = self.shared();
        let waiting = self.write_first().await;
        let window = DayRange::up_to(self.today(), window);
        let clients = call(READING, || shared.store.report(window)).await?;
        telemetry::show_usage(&clients);
        let missed = held(shared.queue.lock()).missed;
        Ok(UsageReport { window, missed: missed.count, since: missed.since, waiting, clients })
    }

    /// Some of the users of a client who were seen by passwords alone, so that they can be helped to move. What waits is
    /// written first, as far as the store takes it.
    ///
    /// ```
    /// # use tower_password_grant::{ClientId, error::OperationError, usage::{Page, UsageLedger}};
    /// # use std::time::Duration;
    /// # const MONTH: Duration = Duration::from_secs(30 * 86_400);
    /// async fn last_users(
    ///     usage: &UsageLedger,
    ///     app: &ClientId,
    /// ) -> Result<Vec<String>, OperationError> {
    ///     let (mut all, mut page) = (Vec::new(), Page::first(MONTH));
    ///     loop {
    ///         let found = usage.stayers(app, &page).await?;
    ///         all.extend(found.stayers.iter().map(|user| user.subject.to_string()));
    ///         if found.next.is_none() {
    ///             return Ok(all);
    ///         }
    ///         page = page.after(found.next);
    ///     }
    /// }
    /// # let _ = last_users;
    /// ```
    ///
    /// # Errors
    /// Fails when the store cannot say it.
    pub async fn stayers(&self, client: &ClientId, page: &Page) -> Result<StayersPage, OperationError> {
        self.write_first().await;
        let window = DayRange::up_to(self.today(), page.window);
        let asked = || self.shared().store.stayers(client, window, page.after.as_ref(), page.size);
        Ok(call(READING, asked).await?)
    }

    /// Forgets a subject in every client and realm, what waits too, and answers how many rows of the store went: what
    /// was never written is not counted. The numbers of logins stay: they name
    /// nobody. The next login is noted again; by a ledger of another process, which may believe that it has noted today's, from
    /// tomorrow on.
    ///
    /// # Errors
    /// Fails when the store does. Then it may still have rows.
    pub async fn forget(&self, subject: &str) -> Result<u64, OperationError> {
        let shared = self.shared();
        // Nobody else writes meanwhile.
        let mut books = shared.books.lock().await;
        shared.enter(&mut books);
        books.forget(subject);
        Ok(call(READING, || shared.store.forget(subject)).await?)
    }
}

impl AuditSink for UsageLedger {
    fn record(&self, event: &AuditEvent<'_>) {
        if let Some(note) = of_event(event) {
            self.shared().put(&note);
        }
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.shared().clock.follow(clock)
    }

    fn login_notes(&self) -> Option<Box<dyn LoginNotes>> {
        Some(Box::new(self.clone()))
    }
}

impl LoginNotes for UsageLedger {
    fn take_note(&self, note: &LoginNote<'_>) {
        self.shared().put(note);
    }
}

impl fmt::Debug for UsageLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = held(self.shared().queue.lock()).len();
        f.debug_struct("UsageLedger").field("waiting", &waiting).finish_non_exhaustive()
    }
}
