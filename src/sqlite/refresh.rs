//! Refresh token families, a row for each, whatever it went through.

use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::access;
use super::columns::{bytes, client_id, get, lineage, methods, scope};
use super::db::Db;
use super::failure::Failure;
use super::store::SqliteStore;
use super::time::{floor, instant};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::clock::SharedClock;
use crate::boundary::identity::StoreIdentity;
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::refresh::{FamilyStamp, MOST_LOGINS, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
use crate::protocol::token::family::{FamilyId, RefreshFamily};

const BEGIN: &str = "INSERT INTO refresh_families
    (id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires, lineage, used, audience,
     methods)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const FIND: &str =
    "SELECT id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires,
    lineage, stamp, ended IS NOT NULL, audience, methods FROM refresh_families WHERE id = ?1";
const ROTATE: &str = "UPDATE refresh_families SET lineage = ?3, used = ?4, stamp = stamp + 1
    WHERE id = ?1 AND stamp = ?2 AND ended IS NULL";
const SEE: &str = "SELECT 1 FROM refresh_families WHERE id = ?1 AND stamp = ?2 AND ended IS NULL";
/// How many logins of a subject at a client there are, and the oldest of them. All of it lies in the index.
const CROWD: &str = "SELECT count(*), min(row) FROM refresh_families
    WHERE subject = ?1 AND realm IS ?2 AND client = ?3 AND ended IS NULL";
/// One that is over by then.
const END_ONE_OVER: &str = "UPDATE refresh_families SET ended = ?4 WHERE row =
    (SELECT row FROM refresh_families
     WHERE subject = ?1 AND realm IS ?2 AND client = ?3 AND ended IS NULL AND expires <= ?5 ORDER BY expires LIMIT 1)";
const END: &str = "UPDATE refresh_families SET ended = ?2 WHERE row = ?1";
const REVOKE_FAMILY: &str = "UPDATE refresh_families SET ended = ?2 WHERE id = ?1 AND ended IS NULL";
const REVOKE_SUBJECT: &str =
    "UPDATE refresh_families SET ended = ?3 WHERE subject = ?1 AND realm IS ?2 AND ended IS NULL";

pub(super) const STATEMENTS: [&str; 9] =
    [BEGIN, FIND, ROTATE, SEE, CROWD, END_ONE_OVER, END, REVOKE_FAMILY, REVOKE_SUBJECT];

fn read_family(row: &Row<'_>) -> Result<StoredFamily, Failure> {
    let time = |column| get(row, column).and_then(instant);
    let text = |column| get::<Option<String>>(row, column);
    let facts = RefreshFamily::new(
        FamilyId::from_bytes(bytes(row, 0)?),
        get::<String>(row, 1)?,
        client_id(row, 2)?,
        time(6)?,
        time(8)?,
    )
    .with_realm(text(3)?.as_deref())
    .with_scope(scope(row, 4)?)
    .with_audience(text(12)?.as_deref())
    .with_grant_type(text(5)?.as_deref())
    .with_methods(methods(row, 13)?)
    .with_credential_version(text(7)?.as_deref());
    let stamp = FamilyStamp::new(get::<i64>(row, 10)?.cast_unsigned());
    Ok(StoredFamily::new(facts, lineage(row, 9)?, stamp).with_ended(get(row, 11)?))
}

/// Makes room for one login more of this subject at this client: one that is over ends, else the oldest.
fn make_room(db: &Db, family: &RefreshFamily, now: SystemTime, ended: i64) -> Result<(), Failure> {
    let (subject, realm, client) = (family.subject_id(), family.realm(), family.client().as_str());
    let crowd = |row: &Row<'_>| Ok((get::<i64>(row, 0)?, get::<Option<i64>>(row, 1)?));
    let (count, oldest) = db.row(CROWD, params![subject, realm, client], crowd)?.unwrap_or_default();
    if count >= MOST_LOGINS as i64 && db.execute(END_ONE_OVER, params![subject, realm, client, ended, floor(now)])? == 0
    {
        db.execute(END, params![oldest, ended])?;
    }
    Ok(())
}

fn begin(db: &Db, new: &NewFamily, ended: i64, tokens: i64) -> Result<(), Failure> {
    let NewFamily { family, lineage, now, access_token, .. } = new;
    make_room(db, family, *now, ended)?;
    let id = family.id();
    let values = params![
        id.as_bytes(),
        family.subject_id(),
        family.client().as_str(),
        family.realm(),
        family.scope().as_str(),
        family.grant_type(),
        floor(family.authenticated_at()),
        family.credential_version(),
        floor(family.expires()),
        lineage.to_bytes(),
        lineage.predecessor_used().map(floor),
        family.audience(),
        family.methods().to_string(),
    ];
    db.execute(BEGIN, values)?;
    access::insert_with(db, access_token.as_ref(), tokens)
}

fn rotate(db: &Db, rotation: &Rotation, tokens: i64) -> Result<bool, Failure> {
    let Rotation { family, seen, lineage, access_token, .. } = rotation;
    let (id, seen) = (family.as_bytes(), seen.get().cast_signed());
    let is_seen = match lineage {
        Some(lineage) => {
            let values = params![id, seen, lineage.to_bytes(), lineage.predecessor_used().map(floor)];
            db.execute(ROTATE, values)? > 0
        }
        None => db.row(SEE, params![id, seen], |_| Ok(()))?.is_some(),
    };
    if is_seen {
        access::insert_with(db, access_token.as_ref(), tokens)?;
    }
    Ok(is_seen)
}

/// Ends the families of a subject, and answers how many there were.
pub(super) fn end_families_of(db: &Db, realm: Option<&str>, subject: &str, ended: i64) -> Result<u64, Failure> {
    Ok(db.execute(REVOKE_SUBJECT, params![subject, realm, ended])? as u64)
}

/// "Log out everywhere".
impl SqliteStore {
    /// Ends the refresh token families of this subject in this realm, in one step, and removes its opaque access
    /// tokens, a few at a time; once it is answered, both are done. Answers how many there were of both. The two traits
    /// have a `revoke_subject` each, for one half of it.
    ///
    /// # Errors
    /// As any operation. Some access tokens that belong to no family may be left then, and when the future is dropped:
    /// call it again.
    pub async fn log_out(&self, realm: Option<&str>, subject: &str) -> Result<u64, OperationError> {
        let families = RefreshTokenStore::revoke_subject(self, realm, subject).await?;
        let tokens = AccessTokenStore::revoke_subject(self, realm, subject).await?;
        Ok(families.saturating_add(tokens))
    }
}

#[async_trait]
impl RefreshTokenStore for SqliteStore {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        let ended = self.now();
        let tokens = self.tokens_per_login();
        self.write(move |db| begin(db, &new, ended, tokens)).await?;
        // The access tokens of one that ended are hidden.
        Ok(Vec::new())
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { self.look_up(move |db| db.row(FIND, [family.as_bytes()], read_family)).await })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            let tokens = self.tokens_per_login();
            self.write(move |db| rotate(db, &rotation, tokens)).await
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        let ended = self.now();
        self.write(move |db| Ok(db.execute(REVOKE_FAMILY, params![family.as_bytes(), ended])? > 0)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let (realm, subject, ended) = (realm.map(str::to_owned), subject.to_owned(), self.now());
        self.write(move |db| end_families_of(db, realm.as_deref(), &subject, ended)).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.agrees_with(clock)
    }
}
