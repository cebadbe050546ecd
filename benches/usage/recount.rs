//! The recount: what a report must say, counted once more from the audit trail, line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tower_password_grant::ClientId;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::MemoryUsage;
use tower_password_grant::usage::{Day, DayRange, LoginWay, Page, UsageLedger};

use super::file::Temporary;
use super::traffic::{CLIENTS, Line, World, identifier, realm_name};

/// The windows of the reports, in days.
const WINDOWS: [u32; 4] = [1, 7, 30, 365];

/// What is counted of one way.
#[derive(Default)]
struct Way {
    logins: u64,
    users: u64,
    refreshing: u64,
    last_seen: Day,
}

/// The days of one user on one side.
#[derive(Default)]
struct Days {
    logins: Vec<Day>,
    refreshes: Vec<Day>,
}

/// What is counted of one client.
#[derive(Default)]
struct Counted {
    /// Users, only by password, moved, fallen back.
    users: [u64; 4],
    /// Of logins and of refreshes by password, and the end of families.
    last: [Option<Day>; 3],
    /// By password first.
    ways: BTreeMap<(bool, LoginWay), Way>,
    stayers: BTreeSet<(Option<&'static str>, String)>,
}

impl Counted {
    /// Adds the lines of one user.
    fn add(&mut self, lines: &[Line], window: DayRange) {
        let is_in = |day: &Day| window.contains(*day);
        let mut sides: [Days; 2] = Default::default();
        let mut ways: BTreeMap<(bool, LoginWay), Days> = BTreeMap::new();
        for line in lines {
            let way = ways.entry((!line.by_password, line.way)).or_default();
            for days in [&mut sides[usize::from(line.by_password)], way] {
                if line.is_refresh { &mut days.refreshes } else { &mut days.logins }.push(line.day);
            }
            if line.by_password {
                let last = &mut self.last[usize::from(line.is_refresh)];
                *last = (*last).max(Some(line.day));
                self.last[2] = self.last[2].max(line.family_ends);
            }
        }
        for (way, days) in ways {
            let counted = self.ways.entry(way).or_default();
            let logins = days.logins.iter().filter(|day| is_in(day)).count() as u64;
            let is_refreshed = days.refreshes.iter().any(is_in);
            counted.logins += logins;
            counted.users += u64::from(logins > 0 || is_refreshed);
            counted.refreshing += u64::from(logins == 0 && is_refreshed);
            let last = days.logins.iter().chain(&days.refreshes).copied().max().unwrap_or_default();
            counted.last_seen = counted.last_seen.max(last);
        }
        let [other, password] = &sides;
        let is_seen = |days: &Days| days.logins.iter().chain(&days.refreshes).any(is_in);
        let last = password.logins.iter().copied().filter(is_in).max();
        let has_fallen_back = last.is_some_and(|last| other.logins.iter().any(|day| *day < last));
        let has_moved = is_seen(other) && !password.logins.is_empty() && !has_fallen_back;
        let is_stayer = is_seen(password) && !is_seen(other);
        let facts = [is_seen(other) || is_seen(password), is_stayer, has_moved, has_fallen_back];
        self.users.iter_mut().zip(facts).for_each(|(count, fact)| *count += u64::from(fact));
        if is_stayer {
            self.stayers.insert((realm_name(lines[0].realm), identifier(lines[0].user)));
        }
    }

    /// As a report serializes.
    fn to_json(&self, client: &str) -> Value {
        let ways: Vec<Value> = self
            .ways
            .iter()
            .map(|((is_other, way), counted)| {
                let Way { logins, users, refreshing, last_seen } = counted;
                json!({
                    "way": way, "is_by_password": !is_other, "logins": logins, "users": users,
                    "refreshing": refreshing, "last_seen": last_seen,
                })
            })
            .collect();
        let ([users, only_by_password, moved, fallen_back], [login, refresh, end]) = (self.users, self.last);
        json!({
            "client": client, "users": users, "only_by_password": only_by_password, "moved": moved,
            "fallen_back": fallen_back, "last_password_login": login, "last_password_refresh": refresh,
            "password_families_end": end, "ways": ways,
        })
    }
}

/// `lines` are sorted by client and user.
fn recount(lines: &[Line], window: DayRange) -> [Counted; 3] {
    let mut clients: [Counted; 3] = Default::default();
    for of_user in lines.chunk_by(|one, other| key(one) == key(other)) {
        clients[of_user[0].client as usize].add(of_user, window);
    }
    clients
}

const fn key(line: &Line) -> (u8, u32, u8) {
    (line.client, line.user, line.realm)
}

/// All last users of a client, by pages.
async fn stayers(ledger: &UsageLedger, client: &str, window: Duration) -> BTreeSet<(Option<&'static str>, String)> {
    let (client, mut page, mut all) = (ClientId::new(client).unwrap(), Page::first(window).of(1_000), BTreeSet::new());
    loop {
        let found = ledger.stayers(&client, &page).await.unwrap();
        for user in &found.stayers {
            let realm = [1, 2].into_iter().filter_map(realm_name).find(|realm| user.realm.as_deref() == Some(realm));
            assert_eq!(realm, user.realm.as_deref());
            assert!(all.insert((realm, user.subject.to_string())), "named twice");
        }
        if found.next.is_none() {
            return all;
        }
        page = page.after(found.next);
    }
}

/// Sends traffic of so many users through the layer, and compares both ledgers with a recount. Answers whether all is equal.
pub async fn run(users: usize) -> bool {
    let file = Temporary::new("recount");
    let store = SqliteStore::open(file.path()).unwrap();
    let noted = UsageLedger::new(store.clone());
    let told = UsageLedger::new(MemoryUsage::new().with_capacity(users * 4).unwrap());
    let began = Instant::now();
    let mut world = World::new(users, noted, told);
    world.pass(u32::try_from(users).unwrap()).await;
    let (mut lines, refused) = world.trail();
    lines.sort_by_key(key);
    println!(
        "recount: {users} users, {} logins, {} refreshes, {refused} requests refused, in {:.0} s",
        lines.iter().filter(|line| !line.is_refresh).count(),
        lines.iter().filter(|line| line.is_refresh).count(),
        began.elapsed().as_secs_f64()
    );
    let mut holds = true;
    for (name, ledger) in [("SQLite, noted by the layer", &world.noted), ("memory, told by the trail", &world.told)] {
        let mut figures = 0;
        for days in WINDOWS {
            let window = Duration::from_secs(u64::from(days) * 86_400);
            let report = ledger.report(window).await.unwrap();
            assert_eq!((report.missed, report.waiting), (0, 0));
            let counted = recount(&lines, report.window);
            for (client, counted) in CLIENTS.iter().zip(&counted) {
                let said = report.clients.iter().find(|said| said.client.as_str() == *client).unwrap();
                let (said, expected) = (serde_json::to_value(said).unwrap(), counted.to_json(client));
                figures += 7 + 4 * counted.ways.len();
                if said != expected {
                    holds = false;
                    println!("{name}, {client}, {days} days: the report says\n{said}\nthe trail\n{expected}");
                }
                if days == 30 {
                    let listed = stayers(ledger, client, window).await;
                    figures += listed.len();
                    if listed != counted.stayers {
                        holds = false;
                        println!("{name}, {client}: {} are listed, of {}", listed.len(), counted.stayers.len());
                    }
                }
            }
            if days == 30 {
                println!("{report}");
            }
        }
        println!("{name}: {figures} figures and names compared, {}", if holds { "all equal" } else { "NOT EQUAL" });
    }
    store.close().await;
    holds
}
