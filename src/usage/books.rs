//! What is being written: entries become rows and counts, and each row is written only where something of it is new.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use super::queue::{Entries, Missed};
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{ClientUser, LoginCount, Usage, UsageBatch, UsageRow};
use crate::protocol::usage::way::LoginWay;

/// The most rows of one batch, so that a store is not held up for long.
const BATCH: usize = 256;

/// Realm and subject.
type User = (Option<Box<str>>, Box<str>);
/// Client, user, way, whether by password.
type RowKey = (ClientId, User, LoginWay, bool);
/// Client, way, whether by password, day.
type CountKey = (ClientId, LoginWay, bool, Day);

/// All logins of a day so far, and how many of them the store knows of.
#[derive(Clone, Copy, Default)]
struct Counted {
    logins: u64,
    written: u64,
}

/// What one ledger writes. Only one writes at a time.
pub(super) struct Books {
    capacity: usize,
    /// Rows that the store lacks something of.
    pending: HashMap<RowKey, Usage>,
    /// Rows that the store has like this: some of them, so that most logins of a day after the first write nothing.
    written: HashMap<RowKey, Usage>,
    counts: HashMap<CountKey, Counted>,
    /// Under which the counts of each day are written.
    writers: BTreeMap<Day, u64>,
    /// Empty room to change for what waits.
    pub(super) room: Entries,
    /// Of this day everything is forgotten that is over.
    pub(super) pruned: Option<Day>,
    /// So many rows the next batch has: fewer after a failure, so that a row which the store refuses holds up few others.
    size: usize,
    /// So many rows the next batch passes over, for the same reason.
    skip: usize,
}

/// A number that no other ledger has.
fn new_writer() -> u64 {
    // Keyed by the randomness of the operating system.
    RandomState::new().hash_one(0_u8)
}

impl Books {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            pending: HashMap::new(),
            written: HashMap::new(),
            counts: HashMap::new(),
            writers: BTreeMap::new(),
            room: Entries::default(),
            pruned: None,
            size: BATCH,
            skip: 0,
        }
    }

    /// Enters what came out of the queue. What lies ahead of today counts for today: a day that is still to come would stay the last
    /// one of its row.
    pub(super) fn enter(&mut self, today: Day, missed: &mut Missed) {
        let mut room = std::mem::take(&mut self.room);
        room.drain(|user, usage, is_login| {
            let usage = usage.up_to(today);
            if !self.add(user, usage, is_login) {
                missed.add(1, usage.seen());
            }
        });
        self.room = room;
    }

    /// Whether there was room for it.
    fn add(&mut self, user: ClientUser<'_>, usage: Usage, is_login: bool) -> bool {
        let count = (user.client.clone(), usage.way, usage.is_by_password, usage.last);
        let is_counted = !is_login || self.counts.contains_key(&count) || self.counts.len() < self.capacity;
        if !is_counted || !self.add_row(user, usage) {
            return false;
        }
        if is_login {
            self.writers.entry(usage.last).or_insert_with(new_writer);
            let counted = self.counts.entry(count).or_default();
            counted.logins = counted.logins.saturating_add(1);
        }
        true
    }

    fn add_row(&mut self, user: ClientUser<'_>, usage: Usage) -> bool {
        let owner = (user.realm.map(Into::into), user.subject.into());
        let key = (user.client.clone(), owner, usage.way, usage.is_by_password);
        if let Some(pending) = self.pending.get_mut(&key) {
            *pending = pending.merged(usage);
            return true;
        }
        // Only what is new: a store that has forgotten the user meanwhile must not get back what was.
        if self.written.get(&key).is_some_and(|known| known.merged(usage) == *known) {
            return true;
        }
        if self.pending.len() >= self.capacity {
            return false;
        }
        self.pending.insert(key, usage);
        true
    }

    /// The next batch: some of the rows, and all counts that are not written.
    pub(super) fn batch(&self) -> UsageBatch {
        let row = |((client, (realm, subject), ..), usage): (&RowKey, &Usage)| {
            UsageRow::new(ClientUser::new(client, realm.as_deref(), subject), *usage)
        };
        let mut unwritten = self.counts.iter().filter(|(_, counted)| counted.logins > counted.written).peekable();
        let waiting = self.pending.len();
        // A row that fails alone must not keep the counts from the store: they have a turn without any.
        let turns = waiting.saturating_add(usize::from(self.size == 1 && unwritten.peek().is_some()));
        let skip = self.skip.checked_rem(turns).unwrap_or_default();
        let size = if skip < waiting { self.size.min(waiting) } else { 0 };
        let rows = self.pending.iter().cycle().skip(skip).take(size).map(row).collect();
        let count = |((client, way, by, day), counted): (&CountKey, &Counted)| {
            let writer = self.writers.get(day)?;
            Some(LoginCount::new(client.clone(), *way, *by, *day, *writer, counted.logins))
        };
        UsageBatch::new(rows, unwritten.filter_map(count).collect())
    }

    /// Notes that a batch is written. Nothing was entered since it was made.
    pub(super) fn note_written(&mut self, batch: &UsageBatch) {
        if self.written.len() >= self.capacity {
            self.written.clear();
        }
        for row in batch.rows() {
            let owner = (row.realm.clone(), row.subject.clone());
            let key = (row.client.clone(), owner, row.usage.way, row.usage.is_by_password);
            if let Some((key, usage)) = self.pending.remove_entry(&key) {
                self.written.entry(key).and_modify(|known| *known = known.merged(usage)).or_insert(usage);
            }
        }
        self.counts.values_mut().for_each(|counted| counted.written = counted.logins);
        self.size = self.size.saturating_mul(2).min(BATCH);
    }

    /// Notes that the store has not taken a batch: the next one is smaller, and begins elsewhere.
    pub(super) fn note_failed(&mut self) {
        self.size = self.size.min(self.pending.len()).div_euclid(2).max(1);
        self.skip = self.skip.wrapping_add(self.size);
    }

    /// Begins to count anew once there are too many days: all that was counted is written. The newest day is counted on as long as there
    /// is room, or each page of it would be a row of each client in the store.
    pub(super) fn turn_page(&mut self) {
        let most = self.capacity.min(4_096);
        let Some(newest) = self.writers.keys().next_back().copied().filter(|_| self.counts.len() >= most) else {
            return;
        };
        if !self.is_written() {
            return;
        }
        let of_newest = self.counts.keys().filter(|(.., day)| *day == newest).count();
        let older = self.counts.len().saturating_sub(of_newest);
        // The numbers of before stay as they are: what is counted anew has another writer.
        if of_newest >= self.capacity {
            self.counts.clear();
            self.writers.clear();
        } else if older >= most || self.counts.len() >= self.capacity {
            self.counts.retain(|(.., day), _| *day == newest);
            self.writers.retain(|day, _| *day == newest);
        }
    }

    /// Whether the store has everything.
    pub(super) fn is_written(&self) -> bool {
        self.pending.is_empty() && self.counts.values().all(|counted| counted.logins == counted.written)
    }

    /// How many rows are not written.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Forgets a user. What was counted names nobody.
    pub(super) fn forget(&mut self, subject: &str) {
        let is_other = |(_, (_, own), ..): &RowKey| **own != *subject;
        self.pending.retain(|key, _| is_other(key));
        self.written.retain(|key, _| is_other(key));
    }

    /// Forgets which rows the store has, as it has fewer by now.
    pub(super) fn doubt_the_store(&mut self) {
        self.written.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(subject: &str, day: u32) -> (String, Usage) {
        (subject.to_owned(), Usage::new(LoginWay::Password, true, Day::from_number(day)))
    }

    fn add(books: &mut Books, (subject, usage): (String, Usage)) -> bool {
        let client = ClientId::new("app").unwrap();
        books.add(ClientUser::new(&client, None, &subject), usage, true)
    }

    #[test]
    fn a_row_is_written_once_a_day_and_logins_are_counted_all_the_same() {
        let mut books = Books::new(10);
        assert!(add(&mut books, login("alice", 7)) && add(&mut books, login("alice", 7)));
        let batch = books.batch();
        assert_eq!((batch.rows().len(), batch.counts().len()), (1, 1));
        assert_eq!(batch.counts()[0].logins, 2);
        // Until it is written it is asked for again.
        assert_eq!(books.batch().rows().len(), 1);
        books.note_written(&batch);
        assert!(books.is_written() && books.batch().is_empty());
        assert!(add(&mut books, login("alice", 7)));
        let batch = books.batch();
        assert_eq!((batch.rows().len(), batch.counts()[0].logins), (0, 3));
        books.note_written(&batch);
        // A clock that was set back changes nothing of the last day.
        assert!(add(&mut books, login("alice", 8)) && add(&mut books, login("alice", 6)));
        let batch = books.batch();
        let days = |usage: Usage| (usage.first.number(), usage.last.number());
        assert_eq!(batch.rows().iter().map(|row| days(row.usage)).collect::<Vec<_>>(), [(6, 8)]);
        assert_eq!(batch.counts().len(), 2);
        books.note_written(&batch);
        // Only what is new is written: the store may have forgotten what was before.
        assert!(add(&mut books, login("alice", 9)));
        assert_eq!(books.batch().rows().iter().map(|row| days(row.usage)).collect::<Vec<_>>(), [(9, 9)]);
    }

    #[test]
    fn what_finds_no_room_is_not_counted_and_what_is_known_goes_on() {
        let mut books = Books::new(2);
        assert!(add(&mut books, login("a", 7)) && add(&mut books, login("b", 7)));
        assert!(!add(&mut books, login("c", 7)));
        assert!(add(&mut books, login("a", 7)));
        assert_eq!(books.batch().counts()[0].logins, 3);
        books.note_written(&books.batch());
        assert!(add(&mut books, login("c", 7)));
    }

    #[test]
    fn a_new_page_counts_under_another_number() {
        let mut books = Books::new(3);
        for day in 0..3 {
            assert!(add(&mut books, login("a", day)));
        }
        let writers = books.writers.clone();
        books.turn_page();
        assert_eq!(books.writers, writers);
        books.note_written(&books.batch());
        books.turn_page();
        // The newest day is counted on, and an older one anew.
        let counted = |books: &mut Books, day| {
            assert!(add(books, login("a", day)));
            let batch = books.batch();
            books.note_written(&batch);
            (batch.counts()[0].writer, batch.counts()[0].logins)
        };
        assert_eq!(counted(&mut books, 2), (writers[&Day::from_number(2)], 2));
        let (writer, logins) = counted(&mut books, 1);
        assert!(writer != writers[&Day::from_number(1)] && logins == 1);
    }

    #[test]
    fn many_clients_have_one_count_a_day_each_however_often_it_is_written() {
        let mut books = Books::new(65_536);
        let mut counts = std::collections::BTreeMap::new();
        for round in 1..=3 {
            for client in 0..5_000 {
                let (client, usage) = (ClientId::new(&format!("app-{client}")).unwrap(), login("a", 7).1);
                assert!(books.add(ClientUser::new(&client, None, "a"), usage, true));
            }
            while !books.is_written() {
                let batch = books.batch();
                books.note_written(&batch);
                for count in batch.counts() {
                    counts.insert((count.client.clone(), count.day, count.writer), count.logins);
                }
            }
            books.turn_page();
            assert_eq!((counts.len(), counts.values().sum::<u64>()), (5_000, round * 5_000));
        }
        // A day that is over goes, and room stays for the next one.
        for client in 0..5_000 {
            let (client, usage) = (ClientId::new(&format!("app-{client}")).unwrap(), login("a", 8).1);
            assert!(books.add(ClientUser::new(&client, None, "a"), usage, true));
        }
        while !books.is_written() {
            books.note_written(&books.batch());
        }
        books.turn_page();
        assert_eq!((books.counts.len(), books.writers.len()), (5_000, 1));
    }

    #[test]
    fn a_row_that_the_store_refuses_holds_up_no_others_and_no_counts() {
        for users in [1, 2, 300, 2_000] {
            let mut books = Books::new(65_536);
            for user in 0..users {
                assert!(add(&mut books, login(&format!("user-{user}"), 7)));
            }
            assert!(add(&mut books, login("bad", 7)));
            let (mut logins, mut failures) = (0, 0);
            while books.waiting() > 1 || logins < users + 1 {
                let batch = books.batch();
                assert!(!batch.is_empty() && batch.rows().len() <= BATCH);
                if batch.rows().iter().any(|row| &*row.subject == "bad") {
                    books.note_failed();
                    failures += 1;
                } else {
                    logins = batch.counts().first().map_or(logins, |count| count.logins);
                    books.note_written(&batch);
                }
                assert!(failures < 40, "{users} users: {} wait", books.waiting());
            }
            assert!(!books.is_written() && books.pending.keys().all(|(_, (_, subject), ..)| &**subject == "bad"));
            // With the store as it should be, it goes too.
            books.note_written(&books.batch());
            assert!(books.is_written());
        }
    }

    #[test]
    fn who_is_forgotten_waits_no_more_and_is_written_again_only_by_a_new_login() {
        let mut books = Books::new(10);
        assert!(add(&mut books, login("a", 7)) && add(&mut books, login("b", 7)));
        books.forget("a");
        assert_eq!(books.batch().rows().len(), 1);
        books.note_written(&books.batch());
        books.forget("b");
        assert!(add(&mut books, login("b", 7)));
        assert_eq!(books.batch().rows().len(), 1);
    }
}
