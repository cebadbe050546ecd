use rusqlite::StatementStatus;

use super::*;
use crate::sqlite::columns::get;
use crate::sqlite::location::prepare;
use crate::sqlite::schema::APPLICATION;
use crate::sqlite::schema::NUMBER;
use crate::sqlite::tests::folder::Folder;

fn opening(folder: &Folder) -> Opening {
    prepare(&folder.file()).unwrap();
    Opening { path: folder.file(), busy_timeout: Duration::from_secs(5), max_size: 1 << 30 }
}

/// What a pragma of the writer's own connection says.
fn pragma(db: &Db, sql: &'static str) -> i64 {
    db.row(sql, (), |row| get(row, 0)).unwrap().unwrap()
}

#[test]
fn the_writer_is_durable_and_careful_whatever_the_file_was_before() {
    let folder = Folder::new("settings");
    // As another program may have left it.
    let other = Connection::open(folder.file()).unwrap();
    other.pragma_update(None, "journal_mode", "delete").unwrap();
    other.pragma_update(None, "synchronous", "off").unwrap();
    drop(other);
    for _ in 0..2 {
        let db = opening(&folder).writer().unwrap();
        let settings = [
            // 2 is `full`: with `normal` the last commits are lost with the power.
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            // 2 is `fast`: what is removed is overwritten where its page is written anyway.
            ("PRAGMA secure_delete", 1),
            ("PRAGMA journal_size_limit", 64 << 20),
            ("PRAGMA max_page_count", 1 << 18),
            ("PRAGMA trusted_schema", 0),
            ("PRAGMA cell_size_check", 1),
            ("PRAGMA application_id", APPLICATION),
            ("PRAGMA user_version", NUMBER),
        ];
        for (sql, expected) in settings {
            assert_eq!(pragma(&db, sql), expected, "{sql}");
        }
        let mode: String = db.row("PRAGMA journal_mode", (), |row| get(row, 0)).unwrap().unwrap();
        assert_eq!(mode, "wal");
    }
}

#[test]
fn no_connection_runs_what_the_file_says() {
    let folder = Folder::new("triggers");
    drop(opening(&folder).writer().unwrap());
    let other = Connection::open(folder.file()).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER spy AFTER INSERT ON spent_values BEGIN
                 INSERT INTO spent_values (digest, expires) VALUES (zeroblob(32), 1);
             END;
             CREATE VIEW seen AS SELECT * FROM clients;",
        )
        .unwrap();
    // It would run elsewhere.
    other.execute("INSERT INTO spent_values (digest, expires) VALUES (x'01', 2)", ()).unwrap();
    let count = "SELECT count(*) FROM spent_values";
    assert_eq!(other.query_row(count, (), |row| row.get::<_, i64>(0)).unwrap(), 2);
    other.execute("DELETE FROM spent_values", ()).unwrap();
    drop(other);

    let (writer, reader) = (opening(&folder).writer().unwrap(), opening(&folder).reader().unwrap());
    writer.execute("INSERT INTO spent_values (digest, expires) VALUES (x'02', 2)", ()).unwrap();
    for db in [&writer, &reader] {
        assert_eq!(pragma(db, count), 1);
        assert!(db.row("SELECT count(*) FROM seen", (), |row| get::<i64>(row, 0)).is_err(), "a view");
    }
}

#[test]
fn a_statement_is_read_once_whatever_its_values_are() {
    let folder = Folder::new("once");
    drop(opening(&folder).writer().unwrap());
    let connection = opening(&folder).connect(OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let mut ran = 0;
    for sql in statements() {
        let mut statement = connection.prepare(sql).unwrap();
        for value in 1..4 {
            for index in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(index, value).unwrap();
            }
            // These values may be refused; by then the statement has run.
            let _ = statement.raw_query().next();
        }
        ran += statement.get_status(StatementStatus::Run);
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
    }
    assert!(ran > 60, "{ran}");
}

#[test]
fn a_table_that_is_a_view_is_told_at_open() {
    let folder = Folder::new("view");
    drop(opening(&folder).writer().unwrap());
    let other = Connection::open(folder.file()).unwrap();
    other
        .execute_batch(
            "ALTER TABLE users RENAME TO others; CREATE VIEW users AS SELECT * FROM others WHERE status = 'active'",
        )
        .unwrap();
    drop(other);
    let refused = SqliteError::from(opening(&folder).writer().err().unwrap());
    assert!(matches!(&refused, SqliteError::OtherTables { name, .. } if name == "users"), "{refused:?}");
}
