//! Opaque access tokens.

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::columns::{client_id, get, methods, scope};
use super::db::Db;
use super::failure::Failure;
use super::store::SqliteStore;
use super::time::{floor, instant};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::identity::StoreIdentity;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::claims::Claims;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::holder::HolderKey;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::unsaved::UnsavedAccessToken;

const NEWEST: &str = "SELECT number FROM access_tokens WHERE login = ?1 ORDER BY number DESC LIMIT 1";
/// Nothing is kept for a family that has ended meanwhile: its access tokens were removed then, and this one would
/// outlive them.
const INSERT: &str = "INSERT OR REPLACE INTO access_tokens
    (login, number, digest, subject, client, realm, scope, audience, issued, expires, authenticated_at, methods, claims)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
    WHERE NOT EXISTS (SELECT 1 FROM refresh_families WHERE id = ?1 AND ended IS NOT NULL)";
/// A few more than came in, for a bound that was lowered.
const REMOVE_OLDEST: &str = "DELETE FROM access_tokens WHERE login = ?1 AND number IN
    (SELECT number FROM access_tokens WHERE login = ?1 AND number <= ?2 ORDER BY number LIMIT ?3)";
/// What ended a family may have been cut off, by a crash or a hang-up, before it came to the access tokens.
const FIND: &str = "SELECT login, subject, client, realm, scope, audience, issued, expires, authenticated_at, methods,
    claims FROM access_tokens AS token WHERE digest = ?1
    AND NOT EXISTS (SELECT 1 FROM refresh_families WHERE id = token.login AND ended IS NOT NULL)";
const REVOKE: &str = "DELETE FROM access_tokens WHERE digest = ?1";
const REVOKE_FAMILY: &str = "DELETE FROM access_tokens WHERE login = ?1 AND number IN
    (SELECT number FROM access_tokens WHERE login = ?1 LIMIT ?2)";
const REVOKE_SUBJECT: &str = "DELETE FROM access_tokens WHERE (login, number) IN
    (SELECT login, number FROM access_tokens WHERE subject = ?1 AND realm IS ?2 LIMIT ?3)";

/// The most records that one operation removes: it shares its transaction with others, which wait until all of it is
/// written, and random keys lie on a page each.
const ROWS: u64 = 32;

pub(super) const STATEMENTS: [&str; 7] = [NEWEST, INSERT, REMOVE_OLDEST, FIND, REVOKE, REVOKE_FAMILY, REVOKE_SUBJECT];

/// Inserts a record, in the place of what its login may not have beside it.
fn insert(db: &Db, digest: &SecretDigest, record: &AccessTokenRecord, per_login: i64) -> Result<(), Failure> {
    let audience = serde_json::to_string(record.audience()).map_err(|_| Failure::Value("an audience"))?;
    let claims = record.claims().as_json();
    let login = record.holder().key();
    let login = login.as_bytes();
    let number = db.row(NEWEST, [login], |row| get::<i64>(row, 0))?.unwrap_or(0).saturating_add(1);
    let values = params![
        login,
        number,
        digest.as_bytes(),
        record.subject_id(),
        record.client().as_str(),
        record.realm(),
        record.scope().as_str(),
        audience,
        floor(record.issued_at()),
        floor(record.expires()),
        record.authenticated_at().map(floor),
        record.methods().to_string(),
        claims,
    ];
    let inserted = db.execute(INSERT, values)?;
    let last_beyond = number.saturating_sub(per_login);
    if inserted > 0 && last_beyond > 0 {
        db.execute(REMOVE_OLDEST, params![login, last_beyond, ROWS.cast_signed()])?;
    }
    Ok(())
}

/// Keeps the record of a refresh or a login in the transaction that keeps its family.
pub(super) fn insert_with(db: &Db, unsaved: Option<&UnsavedAccessToken>, per_login: i64) -> Result<(), Failure> {
    let Some(unsaved) = unsaved else { return Ok(()) };
    let (digest, record) = unsaved.take();
    insert(db, &digest, &record, per_login)
}

fn read_record(row: &Row<'_>) -> Result<AccessTokenRecord, Failure> {
    let login: Vec<u8> = get(row, 0)?;
    let realm: Option<String> = get(row, 3)?;
    let audience: String = get(row, 5)?;
    let audience: Vec<String> = serde_json::from_str(&audience).map_err(|_| Failure::Row("an audience"))?;
    let claims: String = get(row, 10)?;
    let claims = Claims::from_json(&claims).map_err(|_| Failure::Row("claims"))?;
    let (issued, expires) = (instant(get(row, 6)?)?, instant(get(row, 7)?)?);
    let record = AccessTokenRecord::new(get::<String>(row, 1)?, client_id(row, 2)?, issued, expires)
        .with_realm(realm.as_deref())
        .with_scope(scope(row, 4)?)
        .with_audience(audience)
        .with_authenticated_at(get::<Option<i64>>(row, 8)?.map(instant).transpose()?)
        .with_methods(methods(row, 9)?)
        .with_family(HolderKey::family(&login))
        .with_claims(claims);
    Ok(record)
}

/// Removes some records of a subject, and answers how many.
pub(super) fn revoke_some_of(db: &Db, realm: Option<&str>, subject: &str) -> Result<u64, Failure> {
    Ok(db.execute(REVOKE_SUBJECT, params![subject, realm, ROWS.cast_signed()])? as u64)
}

impl SqliteStore {
    /// Does a step that removes records until there are no more, with other operations in between. Answers how many
    /// there were.
    async fn remove_all<W>(&self, step: W) -> Result<u64, BackendError>
    where
        W: Fn(&Db) -> Result<u64, Failure> + Clone + Send + 'static,
    {
        let mut removed = 0_u64;
        loop {
            let rows = self.write(step.clone()).await?;
            removed = removed.saturating_add(rows);
            if rows < ROWS {
                return Ok(removed);
            }
        }
    }
}

#[async_trait]
impl AccessTokenStore for SqliteStore {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        let per_login = self.tokens_per_login();
        self.write(move |db| insert(db, &digest, &record, per_login)).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        let digest = digest.clone();
        self.look_up(move |db| db.row(FIND, [digest.as_bytes()], read_record)).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        let digest = digest.clone();
        self.write(move |db| Ok(db.execute(REVOKE, [digest.as_bytes()])? > 0)).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        self.remove_all(move |db| Ok(db.execute(REVOKE_FAMILY, params![family.as_bytes(), ROWS.cast_signed()])? as u64))
            .await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let (realm, subject) = (realm.map(str::to_owned), subject.to_owned());
        self.remove_all(move |db| revoke_some_of(db, realm.as_deref(), &subject)).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.agrees_with(clock)
    }
}
