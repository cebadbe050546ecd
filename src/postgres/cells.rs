//! What columns hold, read in one way everywhere.

use std::time::SystemTime;

use super::connection::{PostgresCell, PostgresRow};
use super::failure::Failure;
use crate::protocol::client::registered::ClientId;
use crate::protocol::millis;
use crate::protocol::scope::Scope;
use crate::protocol::token::methods::AuthenticationMethods;

/// The cells of a row, one after the other.
pub(super) struct Cells(std::vec::IntoIter<PostgresCell>);

impl Cells {
    pub(super) fn of(row: PostgresRow) -> Self {
        Self(row.into_iter())
    }

    fn next(&mut self, what: &'static str) -> Result<PostgresCell, Failure> {
        self.0.next().ok_or(Failure::Row(what))
    }

    pub(super) fn bool(&mut self) -> Result<bool, Failure> {
        match self.next("a truth value")? {
            PostgresCell::Bool(value) => Ok(value),
            _ => Err(Failure::Row("a truth value")),
        }
    }

    pub(super) fn number(&mut self) -> Result<i64, Failure> {
        self.number_or_none()?.ok_or(Failure::Row("a number"))
    }

    pub(super) fn number_or_none(&mut self) -> Result<Option<i64>, Failure> {
        match self.next("a number")? {
            PostgresCell::Null => Ok(None),
            PostgresCell::BigInt(value) => Ok(Some(value)),
            _ => Err(Failure::Row("a number")),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        self.bytes_or_none()?.ok_or(Failure::Row("bytes"))
    }

    pub(super) fn bytes_or_none(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        match self.next("bytes")? {
            PostgresCell::Null => Ok(None),
            PostgresCell::Bytes(value) => Ok(Some(value)),
            _ => Err(Failure::Row("bytes")),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, Failure> {
        self.text_or_none()?.ok_or(Failure::Row("a text"))
    }

    pub(super) fn text_or_none(&mut self) -> Result<Option<String>, Failure> {
        match self.next("a text")? {
            PostgresCell::Null => Ok(None),
            PostgresCell::Text(value) => Ok(Some(value)),
            _ => Err(Failure::Row("a text")),
        }
    }

    pub(super) fn instant(&mut self) -> Result<SystemTime, Failure> {
        self.instant_or_none()?.ok_or(Failure::Row("an instant"))
    }

    pub(super) fn instant_or_none(&mut self) -> Result<Option<SystemTime>, Failure> {
        let Some(millis) = self.number_or_none()? else { return Ok(None) };
        millis::instant(millis).map(Some).ok_or(Failure::Row("an instant"))
    }

    pub(super) fn client_id(&mut self) -> Result<ClientId, Failure> {
        ClientId::new(&self.text()?).map_err(|_| Failure::Row("a client id"))
    }

    /// A scope as it was written; the empty one, too.
    pub(super) fn scope(&mut self) -> Result<Scope, Failure> {
        let text = self.text()?;
        if text.is_empty() { Ok(Scope::default()) } else { text.parse().map_err(|_| Failure::Row("a scope")) }
    }

    /// The ways in which a user was authenticated.
    pub(super) fn methods(&mut self) -> Result<AuthenticationMethods, Failure> {
        self.text()?.parse().map_err(|_| Failure::Row("authentication methods"))
    }
}
