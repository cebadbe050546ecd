//! What the file says, and what the trails say: made anew, without the code of the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::UsageStore;
use tower_password_grant::usage::{Day, DayRange};

/// Of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Batch {
    pub process: u32,
    pub number: u32,
}

/// A line of a trail.
#[derive(Clone, Debug)]
pub struct Login {
    pub batch: Batch,
    pub client: String,
    pub user: String,
    /// The number of the way.
    pub way: u8,
    pub day: u32,
}

pub fn trail_of(file: &Path) -> PathBuf {
    file.with_extension("trail")
}

impl Login {
    pub fn line(&self) -> String {
        let Self { batch: Batch { process, number }, client, user, way, day } = self;
        format!("{process} {number} {client} {user} {way} {day}\n")
    }

    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let [process, number, client, user, way, day] = words[..] else { panic!("{line}") };
        let batch = Batch { process: process.parse().unwrap(), number: number.parse().unwrap() };
        let (client, user) = (client.to_owned(), user.to_owned());
        Self { batch, client, user, way: way.parse().unwrap(), day: day.parse().unwrap() }
    }
}

/// All logins of all processes.
pub fn trail(file: &Path) -> Vec<Login> {
    std::fs::read_to_string(trail_of(file)).unwrap().lines().map(Login::read).collect()
}

/// First and last day of each client, user and way; and the logins of each client, way and day.
#[derive(Debug, Default, PartialEq)]
pub struct Recount {
    rows: BTreeMap<(String, String, u8), (u32, u32)>,
    logins: BTreeMap<(String, u8, u32), u64>,
}

impl Recount {
    pub fn of(trail: &[Login], without: &BTreeSet<Batch>) -> Self {
        let mut all = Self::default();
        for Login { client, user, way, day, .. } in trail.iter().filter(|login| !without.contains(&login.batch)) {
            let days = all.rows.entry((client.clone(), user.clone(), *way)).or_insert((*day, *day));
            *days = (days.0.min(*day), days.1.max(*day));
            *all.logins.entry((client.clone(), *way, *day)).or_default() += 1;
        }
        all
    }

    pub fn all_logins(&self) -> u64 {
        self.logins.values().sum()
    }
}

/// All logins that the store reports of the file.
pub fn reported(file: &Path) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(file).unwrap();
        let days = DayRange::new(Day::from_number(0), Day::from_number(u32::MAX));
        let report = store.report(days).await.unwrap();
        store.close().await;
        report.iter().flat_map(|usage| &usage.ways).map(|way| way.logins).sum()
    })
}

pub fn in_file(file: &Path) -> Recount {
    let db = rusqlite::Connection::open(file).unwrap();
    let mut seen = Recount::default();
    let rows = "SELECT client, subject, way / 2, first, last FROM usage_rows JOIN usage_places ON number = place";
    let mut rows = db.prepare(rows).unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        Ok(((row.get(0)?, row.get(1)?, row.get(2)?), (row.get::<_, u32>(3)?, row.get::<_, u32>(4)?)))
    };
    seen.rows.extend(rows.query_map((), read).unwrap().map(Result::unwrap));
    let counts = "SELECT client, way / 2, day, sum(logins) FROM usage_counts JOIN usage_places ON number = place
        GROUP BY client, way, day";
    let mut counts = db.prepare(counts).unwrap();
    let read =
        |row: &rusqlite::Row<'_>| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get::<_, i64>(3)?.cast_unsigned()));
    seen.logins.extend(counts.query_map((), read).unwrap().map(Result::unwrap));
    seen
}
