//! The last users, who were seen by passwords alone, page by page.

use std::convert::Infallible;
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::day::{Day, DayRange};
use super::row::Usage;
use super::standing::Standing;
use super::way::LoginWay;

/// Of so many rows a page is made at most, so that it costs the same where nearly everybody has moved.
const MOST_ROWS: usize = 4_096;

/// More rows than this no scan takes: a user has a row for each way and beginning, and one more row ends the last user.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) const MOST_READ: i64 = MOST_ROWS as i64 + 2 * LoginWay::ALL.len() as i64 + 1;

/// The user that a page ended with. It prints as one text, and is read from it again: no realm has a `|`.
///
/// ```
/// use tower_password_grant::usage::PageKey;
///
/// let key = PageKey::new(Some("employees"), "employees|17");
/// assert_eq!(key.to_string(), "employees|employees|17");
/// assert_eq!(key.to_string().parse(), Ok(key));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageKey {
    realm: Option<Box<str>>,
    subject: Box<str>,
}

impl PageKey {
    /// The user with this realm and subject.
    #[must_use]
    pub fn new(realm: Option<&str>, subject: &str) -> Self {
        Self { realm: realm.map(Into::into), subject: subject.into() }
    }

    /// The realm, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The subject's identifier.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.realm().unwrap_or_default(), self.subject)
    }
}

impl FromStr for PageKey {
    type Err = Infallible;

    /// Reads what was printed. Any other text is a place in the order of users, too.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (realm, subject) = text.split_once('|').unwrap_or(("", text));
        Ok(Self::new(Some(realm).filter(|realm| !realm.is_empty()), subject))
    }
}

impl Serialize for PageKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A user who was seen in the window by passwords alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stayer {
    /// The realm of the logins, if they have one.
    pub realm: Option<Box<str>>,
    /// The subject's identifier, as tokens have it.
    pub subject: Box<str>,
    /// The day of the last login by password.
    pub last_login: Option<Day>,
    /// The last day on which the tokens of such a login were refreshed.
    pub last_refresh: Option<Day>,
    /// The day from which on no refresh token family of such a login lives.
    pub families_end: Option<Day>,
    /// Whether the user has logged in without a password before.
    pub has_fallen_back: bool,
}

/// Some of the last users of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StayersPage {
    /// The users: fewer than asked for, or none, also before the end.
    pub stayers: Vec<Stayer>,
    /// Where the next page goes on. `None` at the end.
    pub next: Option<PageKey>,
}

/// The size of a page that is asked for so many users.
fn page_size(limit: usize) -> usize {
    limit.clamp(1, 1_000)
}

/// Makes a page of rows: a store hands it the rows of one client in the order of realm (none first) and subject, from the first user
/// after the page before, until it breaks off or the rows end.
#[derive(Debug)]
pub struct StayersScan {
    window: DayRange,
    limit: usize,
    rows: usize,
    stayers: Vec<Stayer>,
    current: Option<(PageKey, Standing)>,
    next: Option<PageKey>,
}

impl StayersScan {
    /// A page of `limit` users at most, 1 to 1,000, who were seen in the window by passwords alone.
    #[must_use]
    pub fn new(window: DayRange, limit: usize) -> Self {
        Self { window, limit: page_size(limit), rows: 0, stayers: Vec::new(), current: None, next: None }
    }

    /// Adds a row. It breaks off where the page is full, or enough rows were looked at.
    pub fn add(&mut self, realm: Option<&str>, subject: &str, usage: Usage) -> ControlFlow<()> {
        let is_user = |key: &PageKey| key.realm() == realm && key.subject() == subject;
        if !self.current.as_ref().is_some_and(|(key, _)| is_user(key)) {
            let ended = self.end_user();
            if self.stayers.len() >= self.limit || self.rows >= MOST_ROWS {
                self.next = ended;
                return ControlFlow::Break(());
            }
            self.current = Some((PageKey::new(realm, subject), Standing::default()));
        }
        self.rows = self.rows.saturating_add(1);
        if let Some((_, standing)) = &mut self.current {
            standing.add(usage);
        }
        ControlFlow::Continue(())
    }

    /// The page.
    #[must_use]
    pub fn finish(mut self) -> StayersPage {
        self.end_user();
        StayersPage { stayers: self.stayers, next: self.next }
    }

    fn end_user(&mut self) -> Option<PageKey> {
        let (key, standing) = self.current.take()?;
        if standing.is_only_by_password(self.window) {
            self.stayers.push(Stayer {
                realm: key.realm.clone(),
                subject: key.subject.clone(),
                last_login: standing.last_password_login(),
                last_refresh: standing.last_password_refresh(),
                families_end: standing.password_families_end(),
                has_fallen_back: standing.has_fallen_back(self.window),
            });
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::usage::way::LoginWay::{Elsewhere, Password};

    const TODAY: Day = Day::from_number(100);

    /// The pages of these users, who are all by password if their name begins with `p`.
    fn pages(users: &[String], limit: usize) -> Vec<StayersPage> {
        let mut pages = Vec::new();
        let mut after: Option<PageKey> = None;
        loop {
            let mut scan = StayersScan::new(DayRange::new(TODAY.before(29), TODAY), limit);
            let rest = users.iter().filter(|user| after.as_ref().is_none_or(|key| user.as_str() > key.subject()));
            for user in rest {
                let is_by_password = user.starts_with('p');
                let way = if is_by_password { Password } else { Elsewhere };
                if scan.add(None, user, Usage::new(way, is_by_password, TODAY)).is_break() {
                    break;
                }
            }
            let page = scan.finish();
            after.clone_from(&page.next);
            pages.push(page);
            if after.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn each_last_user_stands_on_one_page() {
        for (count, limit) in [(0, 3), (3, 3), (4, 3), (10, 3), (10, 0), (10, 100)] {
            let users: Vec<String> = (0..count).map(|number| format!("p{number:02}")).collect();
            let pages = pages(&users, limit);
            let all: Vec<&str> = pages.iter().flat_map(|page| &page.stayers).map(|user| &*user.subject).collect();
            assert_eq!(all, users);
            assert!(pages.iter().all(|page| page.stayers.len() <= limit.max(1)));
        }
    }

    #[test]
    fn a_page_ends_after_some_rows_where_nearly_everybody_has_moved() {
        let mut users: Vec<String> = (0..10_000).map(|number| format!("m{number:05}")).collect();
        users.push("p".to_owned());
        let pages = pages(&users, 5);
        assert_eq!(pages.iter().map(|page| page.stayers.len()).collect::<Vec<_>>(), [0, 0, 1]);
    }

    #[test]
    fn a_key_is_read_as_it_was_printed() {
        for (realm, subject) in [(None, "alice"), (None, "a|b"), (Some("staff"), "staff|17"), (Some("staff"), "")] {
            let key = PageKey::new(realm, subject);
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
