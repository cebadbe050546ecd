//! The limit of SQLite itself: one connection with the store's settings and schema that runs the store's statements.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, StatementStatus, params};

use super::bare_sqlite::{execute, open, random};
use super::file::Temporary;
use super::support::tokens::{AUDIENCE, SUBJECT};
use super::support::{CLIENT, SCOPE};

const FIND: &str =
    "SELECT id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires,
    lineage, stamp, ended IS NOT NULL, audience, methods FROM refresh_families WHERE id = ?1";
const ROTATE: &str = "UPDATE refresh_families SET lineage = ?3, used = ?4, stamp = stamp + 1
    WHERE id = ?1 AND stamp = ?2 AND ended IS NULL";
const BEGIN: &str = "INSERT INTO refresh_families
    (id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires, lineage, used, audience,
     methods)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const NEWEST: &str = "SELECT number FROM access_tokens WHERE login = ?1 ORDER BY number DESC LIMIT 1";
const INSERT: &str = "INSERT OR REPLACE INTO access_tokens
    (login, number, digest, subject, client, realm, scope, audience, issued, expires, authenticated_at, methods, claims)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
    WHERE NOT EXISTS (SELECT 1 FROM refresh_families WHERE id = ?1 AND ended IS NOT NULL)";
const REMOVE_OLDEST: &str = "DELETE FROM access_tokens WHERE login = ?1 AND number IN
    (SELECT number FROM access_tokens WHERE login = ?1 AND number <= ?2 ORDER BY number LIMIT ?3)";

const NOW: i64 = 1_900_000_000_000;
const HOUR: i64 = 3_600_000;
/// In which ways the user was authenticated.
const METHODS: &str = "password";
/// The most access tokens of a login.
const TOKENS: i64 = 100;

fn begin(db: &Connection, family: &[u8; 16]) {
    let (realm, version, used, audience) = (None::<&str>, None::<&str>, None::<i64>, None::<&str>);
    let lineage = random::<41>();
    let values = params![
        family,
        SUBJECT,
        CLIENT,
        realm,
        SCOPE,
        "password",
        NOW,
        version,
        NOW + HOUR,
        lineage.as_slice(),
        used,
        audience,
        METHODS
    ];
    db.execute(BEGIN, values).unwrap();
}

/// The first row's number, and the steps that it took.
fn number(db: &Connection, sql: &str, family: &[u8; 16], column: usize) -> (Option<i64>, i64) {
    let mut statement = db.prepare_cached(sql).unwrap();
    let found = statement.query_row([family], |row| row.get(column)).optional().unwrap();
    (found, i64::from(statement.reset_status(StatementStatus::VmStep)))
}

/// What the store does for one refresh. Answers the steps that writing took.
fn refresh(db: &Connection, family: &[u8; 16]) -> i64 {
    let (stamp, _) = number(db, FIND, family, 10);
    let lineage = random::<113>();
    let (rotated, rotating) = execute(db, ROTATE, params![family, stamp, lineage.as_slice(), NOW]);
    assert_eq!(rotated, 1);
    rotating + insert(db, family)
}

/// Keeps an access token. Answers the steps that it took.
fn insert(db: &Connection, family: &[u8; 16]) -> i64 {
    let (newest, looking) = number(db, NEWEST, family, 0);
    let number = newest.unwrap_or(0) + 1;
    let (digest, audience, realm) = (random::<32>(), format!("[\"{AUDIENCE}\"]"), None::<&str>);
    let values =
        params![family, number, digest, SUBJECT, CLIENT, realm, SCOPE, audience, NOW, NOW + HOUR, NOW, METHODS, "{}"];
    let (inserted, inserting) = execute(db, INSERT, values);
    assert_eq!(inserted, 1);
    let removing = match number - TOKENS {
        last_beyond @ 1.. => execute(db, REMOVE_OLDEST, params![family, last_beyond, 32]).1,
        _ => 0,
    };
    looking + inserting + removing
}

/// One durable transaction with a refresh of each family. Answers its steps.
fn commit(db: &Connection, families: &[[u8; 16]]) -> i64 {
    let (_, beginning) = execute(db, "BEGIN IMMEDIATE", ());
    let refreshing: i64 = families.iter().map(|family| refresh(db, family)).sum();
    beginning + refreshing + execute(db, "COMMIT", ()).1
}

/// The steps of so many refreshes, each in a transaction of its own.
pub fn steps(refreshes: u64) -> u64 {
    let file = Temporary::new("steps");
    let (db, family) = (open(&file), random());
    begin(&db, &family);
    // The access token of the login.
    insert(&db, &family);
    (0..refreshes).map(|_| commit(&db, &[family]).unsigned_abs()).sum()
}

/// Refreshes for each second, `batch` of them in one durable transaction, each of a family of its own.
pub fn run(batch: usize, time: Duration) -> f64 {
    let file = Temporary::new("plain");
    let db = open(&file);
    let families: Vec<[u8; 16]> = (0..batch).map(|_| random()).collect();
    families.iter().for_each(|family| begin(&db, family));
    let (started, mut done) = (Instant::now(), 0_u64);
    while started.elapsed() < time {
        commit(&db, &families);
        done += families.len() as u64;
    }
    done as f64 / started.elapsed().as_secs_f64()
}
