//! The report, made of rows: one pass, whatever the store.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::day::{Day, DayRange};
use super::row::{ClientUser, Usage};
use super::standing::Standing;
use super::way::LoginWay;
use crate::protocol::client::registered::ClientId;

/// What one way is used for at a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WayUsage {
    /// The way.
    pub way: LoginWay,
    /// Whether a password began these logins.
    pub is_by_password: bool,
    /// The logins in the window.
    pub logins: u64,
    /// The users who were seen by it in the window: by a login, or by a refresh of what such a login gave.
    pub users: u64,
    /// How many of them have not logged in by it in the window: they were seen by refreshes alone.
    pub refreshing: u64,
    /// The last day on which anybody was seen by it, of all that is kept.
    pub last_seen: Option<Day>,
}

/// How a client is used: what is said of a window, and of all that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClientUsage {
    /// The client.
    #[serde(serialize_with = "as_text")]
    pub client: ClientId,
    /// The users who were seen in the window by a login or a refresh, whatever the way.
    pub users: u64,
    /// The users who were seen in the window, and by nothing but passwords: logins that a password began, and refreshes of what
    /// they gave.
    pub only_by_password: u64,
    /// The users who were seen in the window without a password, have once logged in by one, and have not fallen back: the last day
    /// by password is not after the first day without, or not in the window.
    pub moved: u64,
    /// The users who have logged in by password in the window, and without one on an earlier day. One who was not seen
    /// without a password in the window is counted among [`only_by_password`](Self::only_by_password), too.
    pub fallen_back: u64,
    /// The last day on which anybody logged in by password, of all that is kept.
    pub last_password_login: Option<Day>,
    /// The last day on which anybody refreshed what a login by password gave.
    pub last_password_refresh: Option<Day>,
    /// The day from which on no refresh token family lives that a password began, if no new one begins: from then on the grant
    /// can go. `None` if there was none. It is the latest that can be: families that were revoked count as if they were not.
    pub password_families_end: Option<Day>,
    /// The ways that are kept of it, in their order; those by password come first.
    pub ways: Vec<WayUsage>,
}

fn as_text<S: Serializer>(client: &ClientId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(client.as_str())
}

/// What is added up of one client.
#[derive(Debug, Default)]
struct Sums {
    users: u64,
    only_by_password: u64,
    moved: u64,
    fallen_back: u64,
    last_login: Option<Day>,
    last_refresh: Option<Day>,
    families_end: Option<Day>,
    ways: BTreeMap<(bool, LoginWay), WayUsage>,
}

/// Makes the report of rows: a store hands it what it keeps, and decides nothing.
///
/// Rows of one user at one client come one after the other, in any order, and so do the users of a client. Counts come whenever it
/// suits.
///
/// ```
/// use tower_password_grant::ClientId;
/// use tower_password_grant::usage::{ClientUser, Day, DayRange, LoginWay, Tally, Usage};
///
/// let client = ClientId::new("app")?;
/// let today = Day::from_number(20_550);
/// let mut tally = Tally::new(DayRange::new(today.before(29), today));
/// let alice = ClientUser::new(&client, None, "alice");
/// tally.add(alice, Usage::new(LoginWay::Password, true, today.before(3)));
/// tally.add(alice, Usage::new(LoginWay::Elsewhere, false, today));
/// tally.count(&client, LoginWay::Password, true, 2);
/// let report = tally.finish();
/// assert_eq!((report[0].users, report[0].moved, report[0].only_by_password), (1, 1, 0));
/// # Ok::<_, tower_password_grant::client::ClientError>(())
/// ```
#[derive(Debug)]
pub struct Tally {
    window: DayRange,
    clients: BTreeMap<ClientId, Sums>,
    /// The client whose rows come now, and its sums.
    current: Option<(ClientId, Sums)>,
    /// The user whose rows come now.
    realm: Option<String>,
    subject: String,
    standing: Option<Standing>,
}

impl Tally {
    /// A report of this window.
    #[must_use]
    pub fn new(window: DayRange) -> Self {
        let clients = BTreeMap::new();
        Self { window, clients, current: None, realm: None, subject: String::new(), standing: None }
    }

    /// Adds a row.
    pub fn add(&mut self, user: ClientUser<'_>, usage: Usage) {
        let is_client = self.current.as_ref().is_some_and(|(client, _)| client == user.client);
        let is_user = is_client && self.realm.as_deref() == user.realm && self.subject == user.subject;
        if !is_user {
            self.end_user();
            if !is_client {
                self.end_client();
                self.current = Some((user.client.clone(), self.clients.remove(user.client).unwrap_or_default()));
            }
            write(&mut self.realm, user.realm);
            self.subject.clear();
            self.subject.push_str(user.subject);
        }
        self.standing.get_or_insert_default().add(usage);
        if let Some((_, sums)) = &mut self.current {
            sums.add(usage, self.window);
        }
    }

    /// Adds logins of days in the window.
    pub fn count(&mut self, client: &ClientId, way: LoginWay, is_by_password: bool, logins: u64) {
        let sums = match &mut self.current {
            Some((current, sums)) if current == client => sums,
            _ => self.clients.entry(client.clone()).or_default(),
        };
        let way = sums.way(way, is_by_password);
        way.logins = way.logins.saturating_add(logins);
    }

    /// The report: the clients by their identifiers.
    #[must_use]
    pub fn finish(mut self) -> Vec<ClientUsage> {
        self.end_user();
        self.end_client();
        self.clients.into_iter().map(|(client, sums)| sums.finish(client)).collect()
    }

    fn end_user(&mut self) {
        if let (Some(standing), Some((_, sums))) = (self.standing.take(), &mut self.current) {
            sums.stand(standing, self.window);
        }
    }

    fn end_client(&mut self) {
        if let Some((client, sums)) = self.current.take() {
            self.clients.insert(client, sums);
        }
    }
}

/// Writes a text where another one stood, in its room.
fn write(place: &mut Option<String>, text: Option<&str>) {
    match (place.as_mut(), text) {
        (Some(place), Some(text)) => {
            place.clear();
            place.push_str(text);
        }
        (_, text) => *place = text.map(str::to_owned),
    }
}

fn add_one(number: &mut u64, is_one: bool) {
    *number = number.saturating_add(u64::from(is_one));
}

impl Sums {
    fn way(&mut self, way: LoginWay, is_by_password: bool) -> &mut WayUsage {
        let new = || WayUsage { way, is_by_password, logins: 0, users: 0, refreshing: 0, last_seen: None };
        // Those by password come first.
        self.ways.entry((!is_by_password, way)).or_insert_with(new)
    }

    fn add(&mut self, usage: Usage, window: DayRange) {
        let way = self.way(usage.way, usage.is_by_password);
        let is_seen = window.meets(usage.began(), usage.seen());
        let has_logged_in = usage.has_login() && window.meets(usage.first, usage.last);
        add_one(&mut way.users, is_seen);
        add_one(&mut way.refreshing, is_seen && !has_logged_in);
        way.last_seen = way.last_seen.max(Some(usage.seen()));
    }

    fn stand(&mut self, standing: Standing, window: DayRange) {
        add_one(&mut self.users, standing.is_seen(window));
        add_one(&mut self.only_by_password, standing.is_only_by_password(window));
        add_one(&mut self.moved, standing.has_moved(window));
        add_one(&mut self.fallen_back, standing.has_fallen_back(window));
        self.last_login = self.last_login.max(standing.last_password_login());
        self.last_refresh = self.last_refresh.max(standing.last_password_refresh());
        self.families_end = self.families_end.max(standing.password_families_end());
    }

    fn finish(self, client: ClientId) -> ClientUsage {
        ClientUsage {
            client,
            users: self.users,
            only_by_password: self.only_by_password,
            moved: self.moved,
            fallen_back: self.fallen_back,
            last_password_login: self.last_login,
            last_password_refresh: self.last_refresh,
            password_families_end: self.families_end,
            ways: self.ways.into_values().collect(),
        }
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
