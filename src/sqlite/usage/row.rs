//! How a row is written.

use rusqlite::Row;

use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::Usage;
use crate::protocol::usage::way::LoginWay;
use crate::sqlite::columns::get;
use crate::sqlite::failure::Failure;

/// The way of a number, and whether a password has begun the logins.
pub(super) fn way(row: &Row<'_>, column: usize) -> Result<(LoginWay, bool), Failure> {
    let number: u8 = get(row, column).map_err(|_| BAD_WAY)?;
    LoginWay::from_number_with(number).ok_or(BAD_WAY)
}

const BAD_WAY: Failure = Failure::Row("the way of a login");

fn day(row: &Row<'_>, column: usize) -> Result<Option<Day>, Failure> {
    let number = get::<Option<u32>>(row, column).map_err(|_| BAD_DAY)?;
    Ok(number.map(Day::from_number))
}

const BAD_DAY: Failure = Failure::Row("a day");

/// The columns of a usage, in the order in which [`usage`] reads them.
macro_rules! columns {
    () => {
        "way, first, last, refreshed, families_end"
    };
}
pub(super) use columns;

/// What is kept of a way, from this column on.
pub(super) fn usage(row: &Row<'_>, column: usize) -> Result<Usage, Failure> {
    let day = |after: usize| day(row, column.saturating_add(after));
    let (way, is_by_password) = way(row, column)?;
    let (first, last) = (day(1)?.ok_or(BAD_DAY)?, day(2)?.ok_or(BAD_DAY)?);
    Ok(Usage::new(way, is_by_password, last)
        .with_logins(first, last)
        .with_refreshed(day(3)?)
        .with_families_end(day(4)?))
}

/// A text as it lies in the row.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Failure> {
    row.get_ref(column)?.as_str().map_err(|_| Failure::Row("a subject"))
}
