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
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::clock::SharedClock;
use crate::boundary::refresh::{MOST_LOGINS, RefreshTokenStore};
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
const COUNT_LOGINS: &str = "SELECT count(*) FROM refresh_families
    WHERE subject = ?1 AND realm IS ?2 AND client = ?3 AND ended IS NULL";
/// The oldest ones of those that expire by then.
const END_LOGINS: &str = "UPDATE refresh_families SET ended = ?4 WHERE row IN
    (SELECT row FROM refresh_families
     WHERE subject = ?1 AND realm IS ?2 AND client = ?3 AND ended IS NULL AND expires <= ?5 ORDER BY row LIMIT ?6)";
const END: &str = "UPDATE refresh_families SET ended = ?2 WHERE row = ?1";
const REVOKE_FAMILY: &str = "UPDATE refresh_families SET ended = ?2 WHERE id = ?1 AND ended IS NULL";
const REVOKE_SUBJECT: &str =
    "UPDATE refresh_families SET ended = ?3 WHERE subject = ?1 AND realm IS ?2 AND ended IS NULL";

pub(super) const STATEMENTS: [&str; 9] =
    [BEGIN, ADD_TOKEN, FIND, ROTATE, COUNT_LOGINS, END_LOGINS, END, REVOKE_FAMILY, REVOKE_SUBJECT];

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
    // Without its salt a predecessor cannot be repeated: it is spent.
    let predecessor = match (get::<Option<[u8; 32]>>(row, 11)?, get::<Option<[u8; 32]>>(row, 12)?) {
        (Some(digest), Some(salt)) => {
            Some(Predecessor { digest: SecretDigest::from_bytes(digest), salt, used: time(13)? })
        }
        _ => None,
    };
    let is_ended = get::<Option<i64>>(row, 15)?.is_some();
    let lineage = Lineage { live: digest(row, 10)?, predecessor, last_used: time(14)?, is_ended };
    Ok(Family { row: get(row, 0)?, facts, lineage })
}

fn find(db: &Db, token: &SecretDigest) -> Result<Option<Family>, Failure> {
    db.row(FIND, [token.as_bytes()], read_family)
}

/// Makes room for one login more of this subject at this client: what is over ends first, then what is oldest.
fn make_room(db: &Db, family: &RefreshFamily, now: SystemTime, ended: i64) -> Result<(), Failure> {
    let (subject, realm, client) = (family.subject(), family.realm(), family.client().as_str());
    let most = MOST_LOGINS as i64;
    let count: i64 = db.row(COUNT_LOGINS, params![subject, realm, client], |row| get(row, 0))?.unwrap_or(0);
    let mut excess = count.saturating_add(1).saturating_sub(most);
    for by in [floor(now), i64::MAX] {
        if excess <= 0 {
            break;
        }
        let done = db.execute(END_LOGINS, params![subject, realm, client, ended, by, excess])?;
        excess = excess.saturating_sub_unsigned(done as u64);
    }
    Ok(())
}

fn begin(db: &Db, family: &RefreshFamily, token: &SecretDigest, now: SystemTime, ended: i64) -> Result<(), Failure> {
    make_room(db, family, now, ended)?;
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

fn rotate(db: &Db, rotation: &Rotation, ended: i64) -> Result<Rotated, Failure> {
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
            db.execute(END, [family.row, ended])?;
        }
        Rotated::Repeated { .. } | Rotated::Gone => {}
    }
    Ok(rotated)
}

/// Ends the families of a subject, and answers how many there were.
pub(super) fn end_families_of(db: &Db, realm: Option<&str>, subject: &str, ended: i64) -> Result<u64, Failure> {
    Ok(db.execute(REVOKE_SUBJECT, params![subject, realm, ended])? as u64)
}

/// "Log out everywhere".
impl SqliteStore {
    /// Ends the refresh token families of this subject in this realm, in one step, and removes its opaque access tokens, a
    /// few at a time; once it is answered, both are done. Answers how many there were of both. The two
    /// traits have a `revoke_subject` each, for one half of it.
    ///
    /// # Errors
    /// As any operation. Some access tokens that belong to no family may be left then, and when the future is dropped: call
    /// it again.
    pub async fn log_out(&self, realm: Option<&str>, subject: &str) -> Result<u64, OperationError> {
        let families = RefreshTokenStore::revoke_subject(self, realm, subject).await?;
        let tokens = AccessTokenStore::revoke_subject(self, realm, subject).await?;
        Ok(families.saturating_add(tokens))
    }
}

#[async_trait]
impl RefreshTokenStore for SqliteStore {
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError> {
        let ended = self.now();
        self.write(move |db| begin(db, &family, &token, now, ended)).await
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        let token = token.clone();
        let found = self.read(move |db| Ok(find(db, &token)?.map(|family| (family, token)))).await?;
        Ok(found.map(|(Family { facts, lineage, .. }, token)| {
            FoundRefreshToken::new(facts, lineage.state_of(&token), lineage.last_used)
        }))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        let ended = self.now();
        self.write(move |db| rotate(db, &rotation, ended)).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        let ended = self.now();
        self.write(move |db| Ok(db.execute(REVOKE_FAMILY, params![family.as_bytes(), ended])? > 0)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let (realm, subject, ended) = (realm.map(str::to_owned), subject.to_owned(), self.now());
        self.write(move |db| end_families_of(db, realm.as_deref(), &subject, ended)).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.agrees_with(clock)
    }
}
