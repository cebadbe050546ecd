//! A plain connection with the settings and the schema of the store: the limit of SQLite itself.

use std::time::Duration;

use rusqlite::{Connection, Params, StatementStatus};
use tower_password_grant::sqlite::SqliteStore;

use super::file::Temporary;

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub fn open(file: &Temporary) -> Connection {
    // The store makes the schema, and is closed again.
    drop(SqliteStore::open(file.path()).unwrap());
    let db = Connection::open(file.path()).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "full").unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    db.pragma_update(None, "secure_delete", true).unwrap();
    db.pragma_update(None, "cell_size_check", true).unwrap();
    db.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(())).unwrap();
    db.set_prepared_statement_cache_capacity(32);
    db
}

/// Runs a statement that changes rows, and answers how many, and the steps of SQLite's virtual machine.
pub fn execute(db: &Connection, sql: &str, values: impl Params) -> (usize, i64) {
    let mut statement = db.prepare_cached(sql).unwrap();
    let changed = statement.execute(values).unwrap();
    (changed, i64::from(statement.reset_status(StatementStatus::VmStep)))
}
