//! The shape of the file: made once, and looked at whenever it is opened.

use std::path::PathBuf;
use std::sync::OnceLock;

use rusqlite::{Connection, TransactionBehavior};

use super::error::{NotOpened, SqliteError};
use crate::protocol::secret::secrets::random_bytes;

/// All tables and indexes.
pub(super) const SCHEMA: &str = include_str!("schema.sql");
/// Of this schema. It stays 1 until a version of the library is published.
pub(super) const NUMBER: i64 = 1;
/// Tells a file of this store from all others: `TPGs`.
pub(super) const APPLICATION: i64 = 0x5450_4773;

/// What was found in a file that is not refused.
#[derive(PartialEq)]
enum Found {
    Nothing,
    Schema,
}

/// The name of a table or an index, and the words that made it.
type Part = (String, String);

/// Refuses a file that is neither empty nor this store's and of this shape.
pub(super) fn check(connection: &Connection) -> Result<(), NotOpened> {
    look(connection).map(drop)
}

/// Makes the tables if there are none, in one transaction; another process may do the same at the same time.
pub(super) fn make(connection: &mut Connection) -> Result<(), NotOpened> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if look(&transaction)? == Found::Nothing {
        transaction.execute_batch(SCHEMA)?;
        let key = random_bytes().map_err(SqliteError::from)?;
        let sql = "INSERT INTO limiter (row, key) VALUES (1, ?1)";
        transaction.execute(sql, [key.as_slice()])?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", NUMBER)?;
        transaction.commit()?;
    }
    Ok(())
}

fn look(connection: &Connection) -> Result<Found, NotOpened> {
    let path = || connection.path().map(PathBuf::from).unwrap_or_default();
    let (found, application) = (number(connection, "user_version")?, number(connection, "application_id")?);
    let parts = parts(connection)?;
    if parts.is_empty() && found == 0 && application == 0 {
        return Ok(Found::Nothing);
    }
    if application != APPLICATION {
        return Err(SqliteError::Foreign(path()).into());
    }
    if found != NUMBER {
        return Err(SqliteError::OtherSchema { path: path(), found, known: NUMBER }.into());
    }
    match own_parts()?.iter().find(|part| !parts.contains(part)) {
        Some((name, _)) => Err(SqliteError::OtherTables { path: path(), name: name.clone() }.into()),
        None => Ok(Found::Schema),
    }
}

/// The parts of this schema, made once: each connection is held to them.
fn own_parts() -> Result<&'static [Part], NotOpened> {
    static PARTS: OnceLock<Vec<Part>> = OnceLock::new();
    if let Some(parts) = PARTS.get() {
        return Ok(parts);
    }
    let own = Connection::open_in_memory()?;
    own.execute_batch(SCHEMA)?;
    let parts = parts(&own)?;
    Ok(PARTS.get_or_init(|| parts))
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, NotOpened> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

fn parts(connection: &Connection) -> Result<Vec<Part>, NotOpened> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
    let rows = statement.query_map((), |row| Ok((row.get(0)?, words(&row.get::<_, String>(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Without comments, and with single spaces.
fn words(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
