//! What a usage store keeps: a row for each client, user and way, and the number of logins of each day.

use std::sync::Arc;

use super::day::Day;
use super::way::LoginWay;
use crate::protocol::client::registered::ClientId;

/// A user of a client. Users are equal only if both realm and subject are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ClientUser<'a> {
    /// The client.
    pub client: &'a ClientId,
    /// The realm of the login, if it has one.
    pub realm: Option<&'a str>,
    /// The subject's identifier, as tokens have it.
    pub subject: &'a str,
}

impl<'a> ClientUser<'a> {
    /// The user of this client with this subject.
    #[must_use]
    pub const fn new(client: &'a ClientId, realm: Option<&'a str>, subject: &'a str) -> Self {
        Self { client, realm, subject }
    }
}

/// The first day where none is known: after each one that is, and in the range of each database's numbers.
const UNKNOWN_FIRST: Day = Day::from_number(i32::MAX.unsigned_abs());

/// When one user of one client has used one way. Way and [`is_by_password`](Self::is_by_password) belong to the key of a row,
/// beside client, realm and subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Usage {
    /// The way.
    pub way: LoginWay,
    /// Whether a password has begun these logins. Of [`LoginWay::SecondFactor`] and [`LoginWay::Extension`] a user can have both
    /// rows.
    pub is_by_password: bool,
    /// The day of the first login. Later than [`last`](Self::last) where no login is known, but a refresh alone.
    pub first: Day,
    /// The day of the last login.
    pub last: Day,
    /// The last day on which a refresh token family was refreshed that such a login had begun.
    pub refreshed: Option<Day>,
    /// The day from which on no refresh token family lives that such a login had begun, unless a new one begins. Families that
    /// were revoked count as if they were not.
    pub families_end: Option<Day>,
}

impl Usage {
    /// A login of this day, which began no refresh token family.
    #[must_use]
    pub const fn new(way: LoginWay, is_by_password: bool, day: Day) -> Self {
        Self { way, is_by_password, first: day, last: day, refreshed: None, families_end: None }
    }

    /// A refresh of this day, of a login of which no day is known: it is merged into the same row as any other.
    #[must_use]
    pub const fn of_refresh(way: LoginWay, is_by_password: bool, day: Day) -> Self {
        let unknown = Self::new(way, is_by_password, Day::from_number(0));
        unknown.with_logins(UNKNOWN_FIRST, Day::from_number(0)).with_refreshed(Some(day))
    }

    /// The days of the first and the last login.
    #[must_use]
    pub const fn with_logins(self, first: Day, last: Day) -> Self {
        Self { first, last, ..self }
    }

    /// The last day of a refresh.
    #[must_use]
    pub const fn with_refreshed(self, day: Option<Day>) -> Self {
        Self { refreshed: day, ..self }
    }

    /// The day from which on no family lives.
    #[must_use]
    pub const fn with_families_end(self, day: Option<Day>) -> Self {
        Self { families_end: day, ..self }
    }

    /// The same row as both have it: the first login is the earlier one, everything else the later one. In whatever order and
    /// however often rows are merged, the outcome is the same.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            refreshed: self.refreshed.max(other.refreshed),
            families_end: self.families_end.max(other.families_end),
            ..self
        }
    }

    /// Whether it belongs to the same row, of the same user.
    #[must_use]
    pub fn is_same_way(self, other: Self) -> bool {
        self.way == other.way && self.is_by_password == other.is_by_password
    }

    /// The last day of a login or a refresh.
    #[must_use]
    pub fn seen(self) -> Day {
        self.last.max(self.refreshed.unwrap_or(self.last))
    }

    /// The first day of a login, or of the last refresh where none is known.
    pub(crate) fn began(self) -> Day {
        self.first.min(self.seen())
    }

    /// Whether a login is known, and not a refresh alone.
    pub(crate) fn has_login(self) -> bool {
        self.first <= self.last
    }

    /// The same with no day of a login or refresh after this one. What an event that lies ahead says of families lies as far ahead.
    pub(crate) fn up_to(self, today: Day) -> Self {
        let ahead = self.seen().number().saturating_sub(today.number());
        if ahead == 0 {
            return self;
        }
        let first = if self.has_login() { self.first.min(today) } else { self.first };
        Self {
            first,
            last: self.last.min(today),
            refreshed: self.refreshed.map(|day| day.min(today)),
            families_end: self.families_end.map(|end| end.before(ahead)),
            ..self
        }
    }

    /// Whether nothing of it reaches to this day: no login, no refresh, no living family.
    #[must_use]
    pub fn is_over(self, before: Day) -> bool {
        self.seen() < before && self.families_end.is_none_or(|end| end < before)
    }
}

/// A row, or what is to be merged into one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageRow {
    /// The client.
    pub client: ClientId,
    /// The realm of the logins, if they have one.
    pub realm: Option<Box<str>>,
    /// The subject's identifier.
    pub subject: Box<str>,
    /// The way, and its days.
    pub usage: Usage,
}

impl UsageRow {
    /// A row of this user.
    #[must_use]
    pub fn new(user: ClientUser<'_>, usage: Usage) -> Self {
        Self { client: user.client.clone(), realm: user.realm.map(Into::into), subject: user.subject.into(), usage }
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> ClientUser<'_> {
        ClientUser::new(&self.client, self.realm.as_deref(), &self.subject)
    }
}

/// How many logins one writer has counted at a client, by one way, on one day.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct LoginCount {
    /// The client.
    pub client: ClientId,
    /// The way.
    pub way: LoginWay,
    /// Whether a password has begun the logins.
    pub is_by_password: bool,
    /// The day.
    pub day: Day,
    /// Which writer has counted them: a random number. No two count under the same one.
    pub writer: u64,
    /// All logins of that day that the writer has counted so far.
    pub logins: u64,
}

impl LoginCount {
    /// What `writer` has counted of the logins of one day.
    #[must_use]
    pub const fn new(
        client: ClientId,
        way: LoginWay,
        is_by_password: bool,
        day: Day,
        writer: u64,
        logins: u64,
    ) -> Self {
        Self { client, way, is_by_password, day, writer, logins }
    }
}

/// What is to be recorded in one step. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct UsageBatch(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    rows: Vec<UsageRow>,
    counts: Vec<LoginCount>,
}

impl UsageBatch {
    /// A batch of these. The same row or count may stand in it more than once.
    #[must_use]
    pub fn new(rows: Vec<UsageRow>, counts: Vec<LoginCount>) -> Self {
        Self(Arc::new(Parts { rows, counts }))
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[UsageRow] {
        &self.0.rows
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> &[LoginCount] {
        &self.0.counts
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows().is_empty() && self.counts().is_empty()
    }
}
