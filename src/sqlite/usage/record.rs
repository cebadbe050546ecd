//! Recording a batch.

use rusqlite::params;

use super::place::Places;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{LoginCount, UsageBatch, UsageRow};
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

/// As [`Usage::merged`](crate::protocol::usage::row::Usage::merged) says. Where it changes nothing, nothing is written.
const MERGE: &str = "INSERT INTO usage_rows (place, subject, way, first, last, refreshed, families_end)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last),
        refreshed = max(ifnull(refreshed, excluded.refreshed), ifnull(excluded.refreshed, refreshed)),
        families_end = max(ifnull(families_end, excluded.families_end), ifnull(excluded.families_end, families_end))
    WHERE excluded.first < first OR excluded.last > last OR excluded.refreshed > ifnull(refreshed, -1)
        OR excluded.families_end > ifnull(families_end, -1)";
const COUNT: &str = "INSERT INTO usage_counts (day, place, way, writer, logins) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET logins = excluded.logins WHERE excluded.logins > logins";

pub(super) const STATEMENTS: [&str; 2] = [MERGE, COUNT];

/// Records all of a batch.
pub(super) fn record(db: &Db, batch: &UsageBatch) -> Result<(), Failure> {
    let mut places = Places::default();
    let mut rows = Vec::with_capacity(batch.rows().len());
    for row in batch.rows() {
        rows.push((places.number(db, &row.client, row.realm.as_deref())?, row));
    }
    // In the order in which they lie, so that each page is looked for once.
    rows.sort_unstable_by(|(place, row), (other, beside)| (place, &row.subject).cmp(&(other, &beside.subject)));
    rows.into_iter().try_for_each(|(place, row)| merge(db, place, row))?;
    batch.counts().iter().try_for_each(|count| keep(db, places.number(db, &count.client, None)?, count))
}

fn merge(db: &Db, place: i64, row: &UsageRow) -> Result<(), Failure> {
    let usage = row.usage;
    let values = params![
        place,
        row.subject,
        usage.way.number_with(usage.is_by_password),
        usage.first.number(),
        usage.last.number(),
        usage.refreshed.map(Day::number),
        usage.families_end.map(Day::number),
    ];
    db.execute(MERGE, values).map(drop)
}

fn keep(db: &Db, place: i64, count: &LoginCount) -> Result<(), Failure> {
    let logins = i64::try_from(count.logins).map_err(|_| Failure::Value("a number of logins"))?;
    let way = count.way.number_with(count.is_by_password);
    db.execute(COUNT, params![count.day.number(), place, way, count.writer.cast_signed(), logins]).map(drop)
}
