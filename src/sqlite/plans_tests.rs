#[path = "folder_tests.rs"]
pub(super) mod folder;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::schema;
use super::statements::statements;

/// Every statement finds its rows by an index: what a request costs does not grow with what is kept.
#[test]
fn no_statement_looks_at_a_whole_table() {
    let connection = Connection::open_in_memory().unwrap();
    // As the connections of the store have it: plans do not depend on values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
    connection.execute_batch(schema::SCHEMA).unwrap();
    let mut looked = 0;
    for sql in statements() {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        for index in 1..=plan.parameter_count() {
            plan.raw_bind_parameter(index, 0).unwrap();
        }
        let mut rows = plan.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let detail: String = row.get(3).unwrap();
            // What a bounded query inside gives, and what has no table.
            let is_bounded = detail == "SCAN due" || detail == "SCAN CONSTANT ROW";
            assert!(is_bounded || !detail.contains("SCAN"), "{sql}\n{detail}");
            assert!(!detail.contains("TEMP B-TREE"), "{sql}\n{detail}");
            looked += usize::from(detail.contains("SEARCH"));
        }
    }
    assert!(looked > 20, "{looked}");
}
