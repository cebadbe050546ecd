//! What is read of the ledger.

use crate::postgres::cells::Cells;
use crate::postgres::failure::Failure;
use crate::protocol::usage::day::Day;
use crate::protocol::usage::row::{ClientUser, Usage};
use crate::protocol::usage::stayers::StayersScan;
use crate::protocol::usage::tally::Tally;
use crate::protocol::usage::way::LoginWay;

const BAD_WAY: Failure = Failure::Row("the way of a login");
const BAD_DAY: Failure = Failure::Row("a day");
const BAD_ROWS: Failure = Failure::Row("rows of the ledger of usage");

/// A row as JSON: subject, way, first and last day of a login, the last one of a refresh, and the end of families.
type UserRow = (String, u8, u32, u32, Option<u32>, Option<u32>);

fn way(number: u8) -> Result<(LoginWay, bool), Failure> {
    LoginWay::from_number_with(number).ok_or(BAD_WAY)
}

fn usage(number: u8, [first, last]: [u32; 2], [refreshed, end]: [Option<u32>; 2]) -> Result<Usage, Failure> {
    let ((way, is_by_password), day) = (way(number)?, Day::from_number);
    Ok(Usage::new(way, is_by_password, day(last))
        .with_logins(day(first), day(last))
        .with_refreshed(refreshed.map(day))
        .with_families_end(end.map(day)))
}

/// Adds an answer of `usage_report`: users or counts of a client, in one of its realms.
pub(super) fn add(tally: &mut Tally, mut cells: Cells) -> Result<(), Failure> {
    let (client, realm) = (cells.client_id()?, cells.text_or_none()?);
    let (users, counts) = (cells.text_or_none()?, cells.text_or_none()?);
    let users: Vec<UserRow> = serde_json::from_str(users.as_deref().unwrap_or("[]")).map_err(|_| BAD_ROWS)?;
    for (subject, way, first, last, refreshed, end) in &users {
        let usage = usage(*way, [*first, *last], [*refreshed, *end])?;
        tally.add(ClientUser::new(&client, realm.as_deref(), subject), usage);
    }
    let counts: Vec<(u8, u64)> = serde_json::from_str(counts.as_deref().unwrap_or("[]")).map_err(|_| BAD_ROWS)?;
    for (number, logins) in counts {
        let (way, is_by_password) = way(number)?;
        tally.count(&client, way, is_by_password, logins);
    }
    Ok(())
}

/// Adds a row of `usage_page`, and answers whether more are wanted.
pub(super) fn look_at(scan: &mut StayersScan, mut cells: Cells) -> Result<bool, Failure> {
    let (realm, subject) = (cells.text_or_none()?, cells.text()?);
    let number = u8::try_from(cells.number()?).map_err(|_| BAD_WAY)?;
    let mut day = || cells.number_or_none()?.map(u32::try_from).transpose().map_err(|_| BAD_DAY);
    let (first, last) = (day()?.ok_or(BAD_DAY)?, day()?.ok_or(BAD_DAY)?);
    let usage = usage(number, [first, last], [day()?, day()?])?;
    Ok(scan.add(realm.as_deref(), &subject, usage).is_continue())
}
