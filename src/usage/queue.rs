//! What waits to be written: a bounded queue, which a login is put into without an allocation of its own.

use std::time::SystemTime;

use super::seen::usage;
use crate::boundary::login_note::{LoginNote, NotedLogin};
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{ClientUser, Usage};

/// A login or a refresh that waits. Its texts stand in the queue's.
struct Entry {
    client: ClientId,
    realm: Option<usize>,
    subject: usize,
    login: NotedLogin,
}

/// Entries with their texts, the oldest first.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// Realm and subject of each entry, one after the other.
    texts: String,
}

impl Entries {
    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline(always)]
    fn push(&mut self, note: &LoginNote<'_>) {
        let ClientUser { client, realm, subject, .. } = note.user;
        if let Some(realm) = realm {
            self.texts.push_str(realm);
        }
        self.texts.push_str(subject);
        self.entries.push(Entry {
            client: client.clone(),
            realm: realm.map(str::len),
            subject: subject.len(),
            login: note.login,
        });
    }

    /// Hands out all of them, and keeps the room for others.
    pub(super) fn drain(&mut self, mut each: impl FnMut(ClientUser<'_>, Usage, bool)) {
        let mut texts = self.texts.as_str();
        for entry in self.entries.drain(..) {
            // Each length is that of what was written.
            let (realm, rest) = texts.split_at_checked(entry.realm.unwrap_or(0)).unwrap_or_default();
            let (subject, rest) = rest.split_at_checked(entry.subject).unwrap_or_default();
            let user = ClientUser::new(&entry.client, entry.realm.map(|_| realm), subject);
            // A refresh is counted nowhere.
            each(user, usage(&entry.login), !entry.login.goes_on);
            texts = rest;
        }
        self.texts.clear();
    }
}

/// How many logins and refreshes the ledger has not kept, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) count: u64,
    pub(super) since: Option<Day>,
}

impl Missed {
    pub(super) fn add(&mut self, count: u64, day: Day) {
        if count > 0 {
            self.count = self.count.saturating_add(count);
            self.since = Some(self.since.map_or(day, |since| since.min(day)));
        }
    }
}

/// What logins meet: it is locked for no longer than an entry takes.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Entries,
    pub(super) missed: Missed,
    /// A task writes what waits.
    pub(super) is_served: bool,
    /// The ledger is gone, and what waits is written once more.
    pub(super) is_closed: bool,
}

impl Queue {
    /// Adds a login or a refresh if there is room, and answers whether it is the only one.
    #[inline(always)]
    pub(super) fn put(&mut self, note: &LoginNote<'_>, capacity: usize) -> bool {
        if self.waiting.len() >= capacity {
            self.miss(note.login.at);
            return false;
        }
        let is_first = self.waiting.is_empty();
        self.waiting.push(note);
        is_first
    }

    #[cold]
    pub(super) fn miss(&mut self, at: SystemTime) {
        self.missed.add(1, Day::of(at));
    }

    /// Changes what waits for empty room.
    pub(super) const fn swap(&mut self, room: &mut Entries) {
        std::mem::swap(&mut self.waiting, room);
    }

    pub(super) const fn len(&self) -> usize {
        self.waiting.len()
    }
}
