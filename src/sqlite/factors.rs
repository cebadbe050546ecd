//! The authenticators of users, a row for each, and a row for each recovery code.

use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::columns::get;
use super::db::Db;
use super::failure::Failure;
use super::store::SqliteStore;
use super::time::{floor, instant};
use crate::boundary::backend::BackendError;
use crate::boundary::factors::store::FactorStore;
use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorUser, Removed,
};
use crate::protocol::factor::changes::{FactorChanges, UserFactors};
use crate::protocol::secret::secrets::SecretDigest;

const OF_USER: &str = "SELECT id, name, sealed, created, is_active, last_step FROM authenticators
    WHERE subject = ?1 AND realm IS ?2 ORDER BY row";
const ADD: &str = "INSERT INTO authenticators (subject, realm, id, name, sealed, created)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const ADD_CODE: &str = "INSERT INTO recovery_codes (authenticator, digest)
    SELECT row, ?2 FROM authenticators WHERE id = ?1";
const ACTIVATE: &str = "UPDATE authenticators SET is_active = 1 WHERE id = ?1";
/// The recovery codes go with the authenticator that stands for them.
const REMOVE: &str = "DELETE FROM authenticators WHERE id = ?1";
const REMOVE_ALL: &str = "DELETE FROM authenticators WHERE subject = ?1 AND realm IS ?2";
const SPEND: &str = "UPDATE authenticators SET last_step = ?4
    WHERE id = ?3 AND subject = ?1 AND realm IS ?2 AND (last_step IS NULL OR last_step < ?4)";
const SWAP: &str = "UPDATE recovery_codes SET digest = ?4 WHERE digest = ?3 AND authenticator IN
    (SELECT row FROM authenticators WHERE subject = ?1 AND realm IS ?2 AND is_active = 1)";

pub(super) const STATEMENTS: [&str; 8] = [OF_USER, ADD, ADD_CODE, ACTIVATE, REMOVE, REMOVE_ALL, SPEND, SWAP];

/// The user of an operation.
struct Owner {
    subject: String,
    realm: Option<String>,
}

impl From<FactorUser<'_>> for Owner {
    fn from(user: FactorUser<'_>) -> Self {
        Self { subject: user.subject.to_owned(), realm: user.realm.map(str::to_owned) }
    }
}

fn read_authenticator(row: &Row<'_>) -> Result<Authenticator, Failure> {
    const BAD: Failure = Failure::Row("an authenticator");
    let id = AuthenticatorId::parse(&get::<String>(row, 0)?).ok_or(BAD)?;
    let kind = id.kind().ok_or(BAD)?;
    let last_step = get::<Option<i64>>(row, 5)?.map(i64::cast_unsigned);
    let is_active = get(row, 4)?;
    let new = Authenticator::new(id, kind, get(row, 1)?, get(row, 2)?, instant(get(row, 3)?)?);
    Ok(Authenticator { is_active, last_step, ..new })
}

/// All authenticators of a user, the oldest first.
fn of_user(db: &Db, user: &Owner) -> Result<Vec<Authenticator>, Failure> {
    db.rows(OF_USER, params![user.subject, user.realm], read_authenticator)
}

fn apply(db: &Db, changes: &FactorChanges) -> Result<(), Failure> {
    for id in &changes.removed {
        db.execute(REMOVE, [id.as_str()])?;
    }
    for id in &changes.confirmed {
        db.execute(ACTIVATE, [id.as_str()])?;
    }
    Ok(())
}

fn add(db: &Db, user: &Owner, new: &Authenticator) -> Result<(), Failure> {
    let Authenticator { id, name, sealed, created, .. } = new;
    db.execute(ADD, params![user.subject, user.realm, id.as_str(), name, sealed, floor(*created)])?;
    Ok(())
}

fn enrol(db: &Db, user: &Owner, enrolment: &Enrolment) -> Result<Enrolled, Failure> {
    match UserFactors::of(&of_user(db, user)?).enrol(enrolment) {
        Ok(changes) => apply(db, &changes)?,
        Err(answer) => return Ok(answer),
    }
    add(db, user, &enrolment.authenticator)?;
    if let Some(recovery) = &enrolment.recovery {
        add(db, user, &recovery.authenticator)?;
        for digest in &recovery.digests {
            db.execute(ADD_CODE, params![recovery.authenticator.id.as_str(), digest.as_bytes()])?;
        }
    }
    Ok(Enrolled::Begun)
}

/// Removes all authenticators of a user, with their recovery codes.
pub(super) fn remove_all_of(db: &Db, realm: Option<&str>, subject: &str) -> Result<(), Failure> {
    db.execute(REMOVE_ALL, params![subject, realm]).map(drop)
}

#[async_trait]
impl FactorStore for SqliteStore {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        let user = Owner::from(user);
        let mut found = self.look_up(move |db| of_user(db, &user)).await?;
        found.retain(|kept| !kept.is_over(now));
        Ok(found)
    }

    async fn enrol(
        &self,
        user: FactorUser<'_>,
        enrolment: Enrolment,
        _now: SystemTime,
    ) -> Result<Enrolled, BackendError> {
        let user = Owner::from(user);
        self.write(move |db| enrol(db, &user, &enrolment)).await
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        let (user, id) = (Owner::from(user), id.clone());
        self.write(move |db| match UserFactors::of(&of_user(db, &user)?).confirm(&id, if_no_factor, now) {
            Some(changes) => apply(db, &changes).map(|()| true),
            None => Ok(false),
        })
        .await
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        let (user, id) = (Owner::from(user), id.clone());
        self.write(move |db| match UserFactors::of(&of_user(db, &user)?).remove(&id, if_no_factor) {
            Ok(changes) => apply(db, &changes).map(|()| Removed::Gone),
            Err(answer) => Ok(answer),
        })
        .await
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        let Owner { subject, realm } = Owner::from(user);
        self.write(move |db| remove_all_of(db, realm.as_deref(), &subject)).await
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        let (Owner { subject, realm }, id) = (Owner::from(user), id.clone());
        let step = i64::try_from(step).map_err(|_| Failure::Value("a time step").into_backend())?;
        self.write(move |db| Ok(db.execute(SPEND, params![subject, realm, id.as_str(), step])? > 0)).await
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        let (Owner { subject, realm }, old, new) = (Owner::from(user), old.clone(), new.clone());
        self.write(move |db| Ok(db.execute(SWAP, params![subject, realm, old.as_bytes(), new.as_bytes()])? > 0)).await
    }
}

#[cfg(test)]
#[path = "factors_tests.rs"]
mod tests;
