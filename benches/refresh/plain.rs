//! The limit of SQLite itself: one connection with the store's settings and schema that runs the store's statements.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};
use tower_password_grant::sqlite::SqliteStore;

use super::file::Temporary;
use super::support::tokens::{AUDIENCE, SUBJECT};
use super::support::{CLIENT, SCOPE};

const FIND: &str =
    "SELECT id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires,
    lineage, stamp, ended IS NOT NULL FROM refresh_families WHERE id = ?1";
const ROTATE: &str = "UPDATE refresh_families SET lineage = ?3, used = ?4, stamp = stamp + 1
    WHERE id = ?1 AND stamp = ?2 AND ended IS NULL";
const BEGIN: &str = "INSERT INTO refresh_families
    (id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires, lineage)
    VALUES (?1, ?2, ?3, NULL, ?4, 'password', ?5, NULL, ?6, zeroblob(41))";
const NEWEST: &str = "SELECT number FROM access_tokens WHERE login = ?1 ORDER BY number DESC LIMIT 1";
const INSERT: &str = "INSERT OR REPLACE INTO access_tokens
    (digest, subject, client, realm, scope, audience, issued, expires, authenticated_at, login, number, claims)
    SELECT ?1, ?2, ?3, NULL, ?4, ?5, ?6, ?7, ?6, ?8, ?9, '{}'
    WHERE NOT EXISTS (SELECT 1 FROM refresh_families WHERE id = ?8 AND ended IS NOT NULL)";
const REMOVE_OLDEST: &str = "DELETE FROM access_tokens WHERE login = ?1 AND number IN
    (SELECT number FROM access_tokens WHERE login = ?1 AND number <= ?2 ORDER BY number LIMIT 32)";

const NOW: i64 = 1_900_000_000_000;
const HOUR: i64 = 3_600_000;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Refreshes for each second, `batch` of them in one durable transaction, each of a family of its own.
pub fn run(batch: usize, time: Duration) -> f64 {
    let file = Temporary::new("plain");
    // The store makes the schema, and is closed again.
    drop(SqliteStore::open(file.path()).unwrap());
    let db = Connection::open(file.path()).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "full").unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    db.pragma_update(None, "secure_delete", "fast").unwrap();
    db.set_prepared_statement_cache_capacity(32);

    let families: Vec<[u8; 16]> = (0..batch).map(|_| random()).collect();
    for id in &families {
        db.execute(BEGIN, params![id, SUBJECT, CLIENT, SCOPE, NOW, NOW + HOUR]).unwrap();
    }
    let (started, mut done) = (Instant::now(), 0_u64);
    while started.elapsed() < time {
        db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute(()).unwrap();
        for id in &families {
            let find = |row: &rusqlite::Row<'_>| row.get::<_, i64>(10);
            let stamp = db.prepare_cached(FIND).unwrap().query_row([id], find).unwrap();
            let audience = format!("[\"{AUDIENCE}\"]");
            let newest = db.prepare_cached(NEWEST).unwrap().query_row([id], |row| row.get::<_, i64>(0)).optional();
            let number = newest.unwrap().unwrap_or(0) + 1;
            let values = params![random::<32>(), SUBJECT, CLIENT, SCOPE, audience, NOW, NOW + HOUR, id, number];
            db.prepare_cached(INSERT).unwrap().execute(values).unwrap();
            if number > 100 {
                db.prepare_cached(REMOVE_OLDEST).unwrap().execute(params![id, number - 100]).unwrap();
            }
            let rotated = db.prepare_cached(ROTATE).unwrap().execute(params![id, stamp, random::<113>(), NOW]).unwrap();
            assert_eq!(rotated, 1);
            done += 1;
        }
        db.prepare_cached("COMMIT").unwrap().execute(()).unwrap();
    }
    done as f64 / started.elapsed().as_secs_f64()
}
