//! Opaque access tokens.

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::columns::{client_id, get, scope};
use super::db::Db;
use super::failure::Failure;
use super::store::SqliteStore;
use super::time::{floor, instant};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::protocol::family::FamilyId;
use crate::protocol::record::AccessTokenRecord;
use crate::protocol::secrets::SecretDigest;

/// Nothing is kept for a family that has ended meanwhile: its access tokens were removed then, and this one would outlive
/// them.
const INSERT: &str = "INSERT OR REPLACE INTO access_tokens
    (digest, subject, client, realm, scope, audience, issued, expires, authenticated_at, family, claims)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
    WHERE NOT EXISTS (SELECT 1 FROM refresh_families WHERE id = ?10 AND ended IS NOT NULL)";
/// What ended a family may have been cut off, by a crash or a hang-up, before it came to the access tokens.
const FIND: &str = "SELECT subject, client, realm, scope, audience, issued, expires, authenticated_at, family, claims
    FROM access_tokens AS token WHERE digest = ?1
    AND NOT EXISTS (SELECT 1 FROM refresh_families WHERE id = token.family AND ended IS NOT NULL)";
const REVOKE: &str = "DELETE FROM access_tokens WHERE digest = ?1";
const REVOKE_FAMILY: &str = "DELETE FROM access_tokens WHERE digest IN
    (SELECT digest FROM access_tokens WHERE family = ?1 LIMIT ?2)";
const REVOKE_SUBJECT: &str = "DELETE FROM access_tokens WHERE digest IN
    (SELECT digest FROM access_tokens WHERE subject = ?1 AND realm IS ?2 LIMIT ?3)";

/// The most records that one operation removes: it shares its transaction with others, which wait until all of it is
/// written, and random keys lie on a page each.
const ROWS: u64 = 32;

pub(super) const STATEMENTS: [&str; 5] = [INSERT, FIND, REVOKE, REVOKE_FAMILY, REVOKE_SUBJECT];

fn insert(db: &Db, digest: &SecretDigest, record: &AccessTokenRecord) -> Result<(), Failure> {
    let audience = serde_json::to_string(record.audience()).map_err(|_| Failure::Value("an audience"))?;
    let claims = serde_json::to_string(record.claims()).map_err(|_| Failure::Value("claims"))?;
    let family = record.family();
    let values = params![
        digest.as_bytes(),
        record.subject(),
        record.client().as_str(),
        record.realm(),
        record.scope().as_str(),
        audience,
        floor(record.issued_at()),
        floor(record.expires()),
        record.authenticated_at().map(floor),
        family.as_ref().map(FamilyId::as_bytes),
        claims,
    ];
    db.execute(INSERT, values)?;
    Ok(())
}

fn read_record(row: &Row<'_>) -> Result<AccessTokenRecord, Failure> {
    let realm: Option<String> = get(row, 2)?;
    let audience: String = get(row, 4)?;
    let audience: Vec<String> = serde_json::from_str(&audience).map_err(|_| Failure::Row("an audience"))?;
    let claims: String = get(row, 9)?;
    let claims = serde_json::from_str(&claims).map_err(|_| Failure::Row("claims"))?;
    let (issued, expires) = (instant(get(row, 5)?)?, instant(get(row, 6)?)?);
    let record = AccessTokenRecord::new(get::<String>(row, 0)?, client_id(row, 1)?, issued, expires)
        .with_realm(realm.as_deref())
        .with_scope(scope(row, 3)?)
        .with_audience(audience)
        .with_authenticated_at(get::<Option<i64>>(row, 7)?.map(instant).transpose()?)
        .with_family(get::<Option<[u8; 16]>>(row, 8)?.map(FamilyId::from_bytes))
        .with_claims(claims);
    Ok(record)
}

/// Removes some records of a subject, and answers how many.
pub(super) fn revoke_some_of(db: &Db, realm: Option<&str>, subject: &str) -> Result<u64, Failure> {
    Ok(db.execute(REVOKE_SUBJECT, params![subject, realm, ROWS.cast_signed()])? as u64)
}

impl SqliteStore {
    /// Does a step that removes records until there are no more, with other operations in between. Answers how many there
    /// were.
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
        self.write(move |db| insert(db, &digest, &record)).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        let digest = digest.clone();
        self.read(move |db| db.row(FIND, [digest.as_bytes()], read_record)).await
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

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.agrees_with(clock)
    }
}
