//! What is read of the rows: it is handed to what decides, in one pass.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::place::{self, Place};
use super::row::{columns, text, usage, way};
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::DayRange;
use crate::protocol::usage::row::ClientUser;
use crate::protocol::usage::stayers::{PageKey, StayersPage, StayersScan};
use crate::protocol::usage::tally::{ClientUsage, Tally};
use crate::sqlite::columns::get;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

const OF_PLACE: &str =
    concat!("SELECT subject, ", columns!(), " FROM usage_rows WHERE place = ?1 ORDER BY subject, way");
const OF_PLACE_AFTER: &str =
    concat!("SELECT subject, ", columns!(), " FROM usage_rows WHERE place = ?1 AND subject > ?2 ORDER BY subject, way");
const COUNTS: &str = "SELECT place, way, logins FROM usage_counts WHERE day BETWEEN ?1 AND ?2";

pub(super) const STATEMENTS: [&str; 3] = [OF_PLACE, OF_PLACE_AFTER, COUNTS];

/// The report, of one moment.
pub(super) fn report(db: &Db, window: DayRange) -> Result<Vec<ClientUsage>, Failure> {
    db.at_one_moment(|| {
        let places = place::all(db)?;
        let mut tally = Tally::new(window);
        for Place { number, client, realm } in &places {
            db.rows(OF_PLACE, [number], |row| {
                tally.add(ClientUser::new(client, realm.as_deref(), text(row, 0)?), usage(row, 1)?);
                Ok(())
            })?;
        }
        let clients: BTreeMap<i64, &ClientId> = places.iter().map(|place| (place.number, &place.client)).collect();
        db.rows(COUNTS, [window.first.number(), window.last.number()], |row| {
            let client = clients.get(&get(row, 0)?).ok_or(Failure::Row("the client of a number of logins"))?;
            let (way, is_by_password) = way(row, 1)?;
            let logins = u64::try_from(get::<i64>(row, 2)?).map_err(|_| Failure::Row("a number of logins"))?;
            tally.count(client, way, is_by_password, logins);
            Ok(())
        })?;
        Ok(tally.finish())
    })
}

/// A page of the last users, of one moment.
pub(super) fn stayers(
    db: &Db,
    client: &str,
    window: DayRange,
    after: Option<&PageKey>,
    limit: usize,
) -> Result<StayersPage, Failure> {
    db.at_one_moment(|| {
        let mut scan = StayersScan::new(window, limit);
        for (number, realm) in place::of_client(db, client)? {
            let realm = realm.as_deref();
            let mut add = |row: &Row<'_>| Ok(scan.add(realm, text(row, 0)?, usage(row, 1)?));
            let flow = match after {
                Some(key) if realm < key.realm() => continue,
                Some(key) if realm == key.realm() => {
                    db.each(OF_PLACE_AFTER, params![number, key.subject()], &mut add)?
                }
                _ => db.each(OF_PLACE, [number], &mut add)?,
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(scan.finish())
    })
}
