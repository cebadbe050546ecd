//! The promises of a [`UsageStore`], one call after the other.

use std::sync::Arc;

use super::promise::{Handles, answer, made, must, must_be, new_name};
use super::refresh_facts::ODD_TEXTS;
use crate::boundary::usage::UsageStore;
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::{ClientUser, LoginCount, Usage, UsageBatch, UsageRow};
use crate::protocol::usage::stayers::Stayer;
use crate::protocol::usage::tally::ClientUsage;
use crate::protocol::usage::way::LoginWay;

/// The last day of each window: beyond 16 bits of days.
pub(super) const TODAY: Day = Day::from_number(70_000);

/// A new client of a store of two handles.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) handles: Handles<Arc<dyn UsageStore>>,
    pub(super) client: ClientId,
}

/// The thirty days that end with today.
pub(super) const fn month() -> DayRange {
    DayRange::new(TODAY.before(29), TODAY)
}

/// Logins by password, from the one day to the other.
pub(super) const fn by_password(first: Day, last: Day) -> Usage {
    Usage::new(LoginWay::Password, true, first).with_logins(first, last)
}

/// A login past the endpoint.
pub(super) const fn elsewhere(day: Day) -> Usage {
    Usage::new(LoginWay::Elsewhere, false, day)
}

impl Scene {
    pub(super) fn new(handles: [Arc<dyn UsageStore>; 2]) -> Self {
        Self { handles: Handles::new(handles), client: made(ClientId::new(&new_name("client"))) }
    }

    /// Another client of the same store.
    pub(super) fn another(&self) -> Self {
        Self { client: made(ClientId::new(&new_name("client"))), ..self.clone() }
    }

    pub(super) fn store(&self, number: usize) -> &dyn UsageStore {
        &**self.handles.get(number)
    }

    pub(super) fn row(&self, realm: Option<&str>, subject: &str, usage: Usage) -> UsageRow {
        UsageRow::new(ClientUser::new(&self.client, realm, subject), usage)
    }

    pub(super) fn logins(&self, day: Day, writer: u64, logins: u64) -> LoginCount {
        LoginCount::new(self.client.clone(), LoginWay::Password, true, day, writer, logins)
    }

    /// Records these, in a batch for each.
    pub(super) async fn record(&self, rows: impl IntoIterator<Item = UsageRow>) {
        for (number, row) in rows.into_iter().enumerate() {
            answer(self.store(number).record(UsageBatch::new(vec![row], Vec::new())).await);
        }
    }

    pub(super) async fn count(&self, counts: impl IntoIterator<Item = LoginCount>) {
        for (number, count) in counts.into_iter().enumerate() {
            answer(self.store(number).record(UsageBatch::new(Vec::new(), vec![count])).await);
        }
    }

    /// What the report says of this client.
    pub(super) async fn report(&self, window: DayRange) -> Option<ClientUsage> {
        let report = answer(self.store(1).report(window).await);
        let is_sorted = report.is_sorted_by(|one, other| one.client < other.client);
        must(is_sorted, "`report` has each client once, by their identifiers");
        report.into_iter().find(|usage| usage.client == self.client)
    }

    /// How many logins by password it has.
    pub(super) async fn logins_in(&self, window: DayRange) -> u64 {
        let report = self.report(window).await;
        let ways = report.as_ref().map_or(&[][..], |usage| &usage.ways);
        ways.iter().filter(|way| way.way == LoginWay::Password).map(|way| way.logins).sum()
    }

    /// All stayers, by pages of so many.
    pub(super) async fn stayers(&self, limit: usize) -> Vec<Stayer> {
        let (mut all, mut after) = (Vec::new(), None);
        // A store whose pages go round in circles is not walked for ever.
        for number in 0..1_000 {
            let page = self.store(number).stayers(&self.client, month(), after.as_ref(), limit).await;
            let page = answer(page);
            must(page.stayers.len() <= limit, "a page of `stayers` has no more users than asked for");
            all.extend(page.stayers);
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
        all
    }

    pub(super) async fn subjects(&self, limit: usize) -> Vec<(Option<String>, String)> {
        let name = |user: Stayer| (user.realm.map(String::from), String::from(user.subject));
        self.stayers(limit).await.into_iter().map(name).collect()
    }
}

/// What is recorded comes back as it was.
pub(super) async fn facts(scene: Scene) {
    must(scene.report(month()).await.is_none(), "nothing is reported of a client of which nothing was recorded");
    must(scene.stayers(10).await.is_empty(), "no users are listed of a client of which nothing was recorded");
    let (login, refresh, end) = (TODAY.before(9), TODAY.before(2), TODAY.after(31));
    let whole = by_password(TODAY.before(40), login).with_refreshed(Some(refresh)).with_families_end(Some(end));
    scene.record([scene.row(None, "whole", whole), scene.row(None, "bare", by_password(login, login))]).await;
    let stayers = scene.stayers(10).await;
    let days = |user: &Stayer| (user.last_login, user.last_refresh, user.families_end);
    let seen: Vec<_> = stayers.iter().map(|user| (&*user.subject, days(user))).collect();
    let promised = vec![("bare", (Some(login), None, None)), ("whole", (Some(login), Some(refresh), Some(end)))];
    must_be(seen, promised, "the days of a row are kept as they were recorded, and none is not one");
    // Each way, begun by a password and not.
    for way in LoginWay::ALL {
        for is_by_password in [true, false] {
            let of_way = scene.another();
            of_way.record([of_way.row(None, "user", Usage::new(way, is_by_password, login))]).await;
            let ways = of_way.report(month()).await.map(|usage| usage.ways).unwrap_or_default();
            let seen: Vec<_> = ways.iter().map(|seen| (seen.way, seen.is_by_password, seen.users)).collect();
            must_be(seen, vec![(way, is_by_password, 1)], "way and beginning are kept as they were recorded");
        }
    }
    let texts = scene.another();
    for text in ODD_TEXTS {
        texts.record([texts.row(Some("realm"), text, by_password(login, login))]).await;
    }
    let mut promised: Vec<_> = ODD_TEXTS.iter().map(|text| (Some("realm".to_owned()), (*text).to_owned())).collect();
    promised.sort();
    promised.dedup();
    must_be(texts.subjects(3).await, promised, "subjects are kept as they were recorded, in the order of their bytes");
}

/// A row is merged into the one that is kept.
pub(super) async fn merged(scene: Scene) {
    let rows = [
        by_password(TODAY.before(20), TODAY.before(10)).with_families_end(Some(TODAY.after(5))),
        by_password(TODAY.before(25), TODAY.before(15)).with_refreshed(Some(TODAY.before(3))),
        by_password(TODAY.before(12), TODAY.before(12)).with_families_end(Some(TODAY.after(2))),
        by_password(TODAY.before(12), TODAY.before(12)).with_refreshed(Some(TODAY.before(7))),
    ];
    let promised = (Some(TODAY.before(10)), Some(TODAY.before(3)), Some(TODAY.after(5)));
    for turn in 0..rows.len() {
        let scene = scene.another();
        let mut turned = rows;
        turned.rotate_left(turn);
        // Twice: what is recorded again changes nothing. The third time in one batch.
        for _ in 0..2 {
            scene.record(turned.map(|usage| scene.row(None, "user", usage))).await;
        }
        let all = turned.map(|usage| scene.row(None, "user", usage)).to_vec();
        answer(scene.store(0).record(UsageBatch::new(all, Vec::new())).await);
        let seen: Vec<_> = scene
            .stayers(10)
            .await
            .iter()
            .map(|user| (user.last_login, user.last_refresh, user.families_end))
            .collect();
        must_be(seen, vec![promised], "of rows that are merged the later last login, refresh and end are kept");
        // An earlier first login without a password makes a fallback of a login by password.
        for (day, falls_back) in [(TODAY.before(9), 0), (TODAY.before(11), 1), (TODAY.before(9), 1)] {
            scene.record([scene.row(None, "user", elsewhere(day))]).await;
            let seen = scene.report(month()).await.map(|usage| usage.fallen_back);
            must_be(seen, Some(falls_back), "of rows that are merged the earlier first login is kept");
        }
    }
}

/// Users are equal only if both realm and subject are, and rows only if way and beginning are, too.
pub(super) async fn users(scene: Scene) {
    let users = [
        (None, "ab"),
        (Some("a"), "b"),
        (Some("ab"), ""),
        (None, "AB"),
        (Some("A"), "b"),
        (Some("b"), "b"),
        (None, "b"),
    ];
    for (realm, subject) in users {
        scene.record([scene.row(realm, subject, by_password(TODAY, TODAY))]).await;
    }
    let report = scene.report(month()).await;
    let promise = "users are equal only if both realm and subject are";
    must_be(report.map(|usage| usage.users), Some(users.len() as u64), promise);
    let mut promised: Vec<_> =
        users.into_iter().map(|(realm, subject)| (realm.map(str::to_owned), subject.to_owned())).collect();
    promised.sort();
    must_be(scene.subjects(2).await, promised, promise);

    // One of them moves.
    scene.record([scene.row(Some("a"), "b", elsewhere(TODAY))]).await;
    let report = scene.report(month()).await;
    let moved = report.map(|usage| (usage.users, usage.only_by_password, usage.moved));
    must_be(moved, Some((7, 6, 1)), "ways are rows of their own, of one user");

    let other = scene.another();
    other.record([other.row(None, "ab", by_password(TODAY, TODAY))]).await;
    must_be(other.report(month()).await.map(|usage| usage.users), Some(1), "each client has users of its own");
    must_be(other.subjects(10).await.len(), 1, "`stayers` lists the users of one client");

    // Rows that lie before the window count for what was.
    let before = scene.another();
    before.record([before.row(None, "user", by_password(TODAY.before(300), TODAY.before(300)))]).await;
    let days = before.report(month()).await.map(|usage| (usage.users, usage.last_password_login));
    must_be(days, Some((0, Some(TODAY.before(300)))), "`report` hands on rows that lie before the window, too");
}

/// Logins are counted by writers.
pub(super) async fn counts(scene: Scene) {
    let counts = [(TODAY, 1, 5), (TODAY, 1, 7), (TODAY, 1, 6), (TODAY, 2, 10), (TODAY.before(1), 1, 100)];
    for _ in 0..2 {
        scene.count(counts.map(|(day, writer, logins)| scene.logins(day, writer, logins))).await;
    }
    let promise =
        "of what one writer has counted of a day the higher number is kept, and those of writers and days are added up";
    must_be(scene.logins_in(month()).await, 117, promise);
    must_be(scene.logins_in(DayRange::new(TODAY, TODAY)).await, 17, "`report` counts the logins of days in the window");
    let yesterday = DayRange::new(TODAY.before(1), TODAY.before(1));
    must_be(scene.logins_in(yesterday).await, 100, "`report` counts the logins of days in the window");
    must_be(
        scene.logins_in(DayRange::new(TODAY.after(1), TODAY.after(2))).await,
        0,
        "`report` counts the logins of days in the window",
    );

    let other = scene.another();
    let large = other.logins(TODAY, u64::MAX, 1 << 40);
    let by_another_way = LoginCount::new(other.client.clone(), LoginWay::Extension, true, TODAY, u64::MAX, 3);
    let not_by_password = LoginCount::new(other.client.clone(), LoginWay::Extension, false, TODAY, u64::MAX, 4);
    other.count([large, by_another_way, not_by_password]).await;
    let ways = other.report(month()).await.map(|usage| usage.ways).unwrap_or_default();
    let seen: Vec<_> = ways.iter().map(|way| (way.way, way.is_by_password, way.logins)).collect();
    let promised =
        vec![(LoginWay::Password, true, 1 << 40), (LoginWay::Extension, true, 3), (LoginWay::Extension, false, 4)];
    must_be(seen, promised, "logins are counted by client, way and beginning");
}

/// The last users, by pages.
pub(super) async fn pages(scene: Scene) {
    let names: Vec<_> = (0..40).map(|number| format!("user-{number:02}")).collect();
    let realm = |number: usize| if number.is_multiple_of(2) { None } else { Some("realm") };
    let mut promised = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let mut rows = vec![scene.row(realm(number), name, by_password(TODAY, TODAY))];
        if number.is_multiple_of(3) {
            rows.push(scene.row(realm(number), name, elsewhere(TODAY)));
        } else {
            promised.push((realm(number).map(str::to_owned), name.clone()));
        }
        scene.record(rows).await;
    }
    promised.sort();
    for limit in [1, 7, 100] {
        let promise = "each user who was seen by passwords alone stands on one page, in the order of realm and subject";
        must_be(scene.subjects(limit).await, promised.clone(), promise);
    }
}
