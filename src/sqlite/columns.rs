//! What columns hold, read and written in one way everywhere.

use rusqlite::Row;
use rusqlite::types::FromSql;

use super::failure::Failure;
use crate::protocol::client::registered::ClientId;
use crate::protocol::scope::Scope;
use crate::protocol::token::lineage::Lineage;
use crate::protocol::token::methods::AuthenticationMethods;

/// The value of a column.
pub(super) fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    Ok(row.get(column)?)
}

/// A column of exactly so many bytes.
pub(super) fn bytes<const N: usize>(row: &Row<'_>, column: usize) -> Result<[u8; N], Failure> {
    get(row, column)
}

pub(super) fn lineage(row: &Row<'_>, column: usize) -> Result<Lineage, Failure> {
    Ok(Lineage::from_bytes(&get::<Vec<u8>>(row, column)?)?)
}

pub(super) fn client_id(row: &Row<'_>, column: usize) -> Result<ClientId, Failure> {
    let id: String = get(row, column)?;
    ClientId::new(&id).map_err(|_| Failure::Row("a client id"))
}

/// A scope as it was written; the empty one, too.
pub(super) fn scope(row: &Row<'_>, column: usize) -> Result<Scope, Failure> {
    let text: String = get(row, column)?;
    if text.is_empty() { Ok(Scope::default()) } else { text.parse().map_err(|_| Failure::Row("a scope")) }
}

/// The ways in which a user was authenticated.
pub(super) fn methods(row: &Row<'_>, column: usize) -> Result<AuthenticationMethods, Failure> {
    get::<String>(row, column)?.parse().map_err(|_| Failure::Row("authentication methods"))
}
