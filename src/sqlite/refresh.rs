//! Refresh token families.
//!
//! Which token counts is decided by the state machine that all stores share, on the family's row; tokens only lead to their
//! family. So the use of any token costs the same, however often its family was rotated.

use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::columns::{bytes, client_id, digest, get, scope};
use super::db::Db;
use super::failure::Failure;
use super::store::SqliteStore;
use super::time::{floor, instant};
use crate::boundary::backend::BackendError;
use crate::boundary::refresh::RefreshTokenStore;
use crate::protocol::family::{FamilyId, RefreshFamily};
use crate::protocol::lineage::{FoundRefreshToken, Lineage, Predecessor, Rotated, Rotation};
use crate::protocol::secrets::SecretDigest;

const BEGIN: &str = "INSERT INTO refresh_families
    (id, subject, client, realm, scope, grant_type, authenticated_at, credential_version, expires, live, last_used)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING row";
const ADD_TOKEN: &str = "INSERT INTO refresh_tokens (digest, family) VALUES (?1, ?2)";
const FIND: &str = "SELECT f.row, f.id, f.subject, f.client, f.realm, f.scope, f.grant_type, f.authenticated_at,
    f.credential_version, f.expires, f.live, f.predecessor, f.salt, f.used, f.last_used, f.ended
    FROM refresh_tokens t JOIN refresh_families f ON f.row = t.family WHERE t.digest = ?1";
const ROTATE: &str =
    "UPDATE refresh_families SET live = ?2, predecessor = ?3, salt = ?4, used = ?5, last_used = ?6 WHERE row = ?1";
const END: &str = "UPDATE refresh_families SET ended = 1 WHERE row = ?1";
const REVOKE_FAMILY: &str = "UPDATE refresh_families SET ended = 1 WHERE id = ?1 AND ended = 0";
const REVOKE_SUBJECT: &str = "UPDATE refresh_families SET ended = 1 WHERE subject = ?1 AND realm IS ?2 AND ended = 0";

pub(super) const STATEMENTS: [&str; 7] = [BEGIN, ADD_TOKEN, FIND, ROTATE, END, REVOKE_FAMILY, REVOKE_SUBJECT];

/// A family and its row.
struct Family {
    row: i64,
    facts: RefreshFamily,
    lineage: Lineage,
}

fn read_family(row: &Row<'_>) -> Result<Family, Failure> {
    let time = |column| get(row, column).and_then(instant);
    let text = |column| get::<Option<String>>(row, column);
    let facts = RefreshFamily::new(
        FamilyId::from_bytes(bytes(row, 1)?),
        get::<String>(row, 2)?,
        client_id(row, 3)?,
        time(7)?,
        time(9)?,
    )
    .with_realm(text(4)?.as_deref())
    .with_scope(scope(row, 5)?)
    .with_grant_type(text(6)?.as_deref())
    .with_credential_version(text(8)?.as_deref());
    let predecessor = match get::<Option<[u8; 32]>>(row, 11)? {
        Some(digest) => {
            Some(Predecessor { digest: SecretDigest::from_bytes(digest), salt: bytes(row, 12)?, used: time(13)? })
        }
        None => None,
    };
    let lineage = Lineage { live: digest(row, 10)?, predecessor, last_used: time(14)?, is_ended: get(row, 15)? };
    Ok(Family { row: get(row, 0)?, facts, lineage })
}

fn find(db: &Db, token: &SecretDigest) -> Result<Option<Family>, Failure> {
    db.row(FIND, [token.as_bytes()], read_family)
}

fn begin(db: &Db, family: &RefreshFamily, token: &SecretDigest, now: SystemTime) -> Result<(), Failure> {
    let id = family.id();
    let values = params![
        id.as_bytes(),
        family.subject(),
        family.client().as_str(),
        family.realm(),
        family.scope().as_str(),
        family.grant_type(),
        floor(family.authenticated_at()),
        family.credential_version(),
        floor(family.expires()),
        token.as_bytes(),
        floor(now),
    ];
    let row: i64 = db.row(BEGIN, values, |row| get(row, 0))?.ok_or(Failure::Row("its own row"))?;
    db.execute(ADD_TOKEN, params![token.as_bytes(), row])?;
    Ok(())
}

fn rotate(db: &Db, rotation: &Rotation) -> Result<Rotated, Failure> {
    let Some(mut family) = find(db, rotation.presented())? else { return Ok(Rotated::Gone) };
    let rotated = family.lineage.rotate(&family.facts, rotation);
    match rotated {
        // Whatever the state machine changed is written, not what is expected of it.
        Rotated::Done => {
            let Lineage { live, predecessor, last_used, .. } = &family.lineage;
            let last = predecessor.as_ref();
            let values = params![
                family.row,
                live.as_bytes(),
                last.map(|last| last.digest.as_bytes()),
                last.map(|last| last.salt),
                last.map(|last| floor(last.used)),
                floor(*last_used),
            ];
            db.execute(ROTATE, values)?;
            if rotation.successor().is_some() {
                db.execute(ADD_TOKEN, params![live.as_bytes(), family.row])?;
            }
        }
        Rotated::Replayed => {
            db.execute(END, [family.row])?;
        }
        Rotated::Repeated { .. } | Rotated::Gone => {}
    }
    Ok(rotated)
}

/// Ends the families of a subject, and removes its access tokens. Answers how many there were of both.
pub(super) fn end_logins_of(db: &Db, realm: Option<&str>, subject: &str) -> Result<u64, Failure> {
    let families = db.execute(REVOKE_SUBJECT, params![subject, realm])?;
    let tokens = db.execute(super::access::REVOKE_SUBJECT, params![subject, realm])?;
    Ok((families as u64).saturating_add(tokens as u64))
}

/// "Log out everywhere".
impl SqliteStore {
    /// Ends the refresh token families of this subject in this realm and removes its opaque access tokens, in one step.
    /// Answers how many there were of both. The two traits have a `revoke_subject` each, for one half of it.
    ///
    /// # Errors
    /// As any operation.
    pub async fn log_out(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let (realm, subject) = (realm.map(str::to_owned), subject.to_owned());
        self.write(move |db| end_logins_of(db, realm.as_deref(), &subject)).await
    }
}

#[async_trait]
impl RefreshTokenStore for SqliteStore {
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError> {
        self.write(move |db| begin(db, &family, &token, now)).await
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        let token = token.clone();
        let found = self.read(move |db| Ok(find(db, &token)?.map(|family| (family, token)))).await?;
        Ok(found.map(|(Family { facts, lineage, .. }, token)| {
            FoundRefreshToken::new(facts, lineage.state_of(&token), lineage.last_used)
        }))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        self.write(move |db| rotate(db, &rotation)).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.write(move |db| Ok(db.execute(REVOKE_FAMILY, [family.as_bytes()])? > 0)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let (realm, subject) = (realm.map(str::to_owned), subject.to_owned());
        self.write(move |db| Ok(db.execute(REVOKE_SUBJECT, params![subject, realm])? as u64)).await
    }
}
