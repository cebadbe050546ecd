//! The limit of SQLite itself: one connection with the store's settings and schema that runs the store's statements.

use std::time::{Duration, Instant};

use rusqlite::{Connection, StatementStatus, params};

use super::bare_sqlite::{execute, open, random};
use super::file::Temporary;

const OF_USER: &str = "SELECT id, name, sealed, created, is_active, last_step FROM authenticators
    WHERE subject = ?1 AND realm IS ?2 ORDER BY row";
const ADD: &str = "INSERT INTO authenticators (subject, realm, id, name, sealed, created)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const SPEND: &str = "UPDATE authenticators SET last_step = ?4
    WHERE id = ?3 AND subject = ?1 AND realm IS ?2 AND (last_step IS NULL OR last_step < ?4)";
const CONSUME: &str = "INSERT INTO spent_values (digest, expires) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

const NOW: i64 = 1_900_000_000_000;
const REALM: Option<&str> = None;

fn id(user: u64) -> String {
    format!("totp|dev_{user:0>22}")
}

fn subject(user: u64) -> String {
    format!("user-{user}")
}

/// Adds the authenticators of so many users, in one transaction.
fn enrol(db: &Connection, users: u64) {
    db.execute_batch("BEGIN").unwrap();
    for user in 0..users {
        let values = params![subject(user), REALM, id(user), None::<&str>, random::<69>(), NOW];
        assert_eq!(execute(db, ADD, values).0, 1);
    }
    db.execute_batch("UPDATE authenticators SET is_active = 1; COMMIT").unwrap();
}

/// The authenticators of a user. Answers the steps of SQLite's virtual machine that it took.
fn list(db: &Connection, user: u64) -> i64 {
    let mut statement = db.prepare_cached(OF_USER).unwrap();
    let found = statement.query_map(params![subject(user), REALM], |row| row.get::<_, String>(0)).unwrap().count();
    assert_eq!(found, 1);
    i64::from(statement.reset_status(StatementStatus::VmStep))
}

/// Spends a time step. Answers the steps that it took.
fn spend(db: &Connection, user: u64, step: i64) -> i64 {
    let (spent, steps) = execute(db, SPEND, params![subject(user), REALM, id(user), step]);
    assert_eq!(spent, 1);
    steps
}

/// Spends a challenge. Answers the steps that it took.
fn consume(db: &Connection) -> i64 {
    let (spent, steps) = execute(db, CONSUME, params![random::<32>(), NOW + 600_000]);
    assert_eq!(spent, 1);
    steps
}

/// One durable transaction with this in it for each user. Answers its steps.
fn commit(db: &Connection, users: u64, write: impl Fn(u64) -> i64) -> i64 {
    let (_, beginning) = execute(db, "BEGIN IMMEDIATE", ());
    let writing: i64 = (0..users).map(write).sum();
    beginning + writing + execute(db, "COMMIT", ()).1
}

/// What the store does for a code of each user. Answers the steps that writing took.
fn redeem(db: &Connection, users: u64, step: i64) -> i64 {
    for user in 0..users {
        list(db, user);
    }
    commit(db, users, |user| spend(db, user, step)) + commit(db, users, |_| consume(db))
}

/// The steps of so many codes, each by itself.
pub fn steps(codes: u64) -> u64 {
    let file = Temporary::new("steps");
    let db = open(&file);
    enrol(&db, 1);
    // That of the enrolment.
    redeem(&db, 1, 1);
    (0..codes).map(|code| redeem(&db, 1, 2 + code as i64).unsigned_abs()).sum()
}

/// Codes for each second, `batch` of them in two durable transactions, each of a user of its own.
pub fn run(batch: u64, time: Duration) -> f64 {
    let file = Temporary::new("plain");
    let db = open(&file);
    enrol(&db, batch);
    let (started, mut step, mut done) = (Instant::now(), 0, 0);
    while started.elapsed() < time {
        step += 1;
        redeem(&db, batch, step);
        done += batch;
    }
    done as f64 / started.elapsed().as_secs_f64()
}

/// Whether listing and spending take the same steps however many users there are.
pub fn check_users(counts: [u64; 2]) -> bool {
    let taken = counts.map(|users| {
        let file = Temporary::new("users");
        let db = open(&file);
        enrol(&db, users);
        // The user in the middle, after one to prepare the statements.
        let steps = [users / 3, users / 2].map(|user| [list(&db, user), spend(&db, user, 1), consume(&db)]);
        println!(
            "{users:>10} users: list {}, spend a step {}, spend a challenge {} steps",
            steps[1][0], steps[1][1], steps[1][2]
        );
        steps[1]
    });
    taken[0] == taken[1]
}
