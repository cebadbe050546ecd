//! The places: a client, and a realm of its users.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::protocol::client::registered::ClientId;
use crate::sqlite::columns::{client_id, get};
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

const FIND: &str = "SELECT number FROM usage_places WHERE client = ?1 AND realm IS ?2";
const ADD: &str = "INSERT INTO usage_places (client, realm) VALUES (?1, ?2) RETURNING number";
/// Every client has an identifier.
const ALL: &str = "SELECT number, client, realm FROM usage_places WHERE client > '' ORDER BY client, realm";
const OF_CLIENT: &str = "SELECT number, realm FROM usage_places WHERE client = ?1 ORDER BY realm";

pub(super) const STATEMENTS: [&str; 4] = [FIND, ADD, ALL, OF_CLIENT];

/// A client, and a realm of its users.
type Name<'a> = (&'a str, Option<&'a str>);

/// The places that an operation has found or made so far.
#[derive(Default)]
pub(super) struct Places<'a>(BTreeMap<Name<'a>, i64>);

impl<'a> Places<'a> {
    /// The number of a place, which is made if there is none.
    pub(super) fn number(&mut self, db: &Db, client: &'a ClientId, realm: Option<&'a str>) -> Result<i64, Failure> {
        let name = (client.as_str(), realm);
        if let Some(number) = self.0.get(&name) {
            return Ok(*number);
        }
        let number = match db.row(FIND, params![name.0, name.1], |row| get(row, 0))? {
            Some(number) => number,
            None => db.row(ADD, params![name.0, name.1], |row| get(row, 0))?.ok_or(Failure::Row("a place"))?,
        };
        self.0.insert(name, number);
        Ok(number)
    }
}

pub(super) struct Place {
    pub(super) number: i64,
    pub(super) client: ClientId,
    pub(super) realm: Option<String>,
}

/// All places: the clients one after the other.
pub(super) fn all(db: &Db) -> Result<Vec<Place>, Failure> {
    db.rows(ALL, (), |row| Ok(Place { number: get(row, 0)?, client: client_id(row, 1)?, realm: get(row, 2)? }))
}

/// The places of a client, in the order of their realms: none first.
pub(super) fn of_client(db: &Db, client: &str) -> Result<Vec<(i64, Option<String>)>, Failure> {
    db.rows(OF_CLIENT, [client], |row| Ok((get(row, 0)?, get(row, 1)?)))
}
