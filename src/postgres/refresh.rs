//! Refresh token families, a row for each, whatever it went through.

use async_trait::async_trait;

use super::access::NewToken;
use super::cells::Cells;
use super::connection::PostgresValue::{BigInt, Bytes, Text};
use super::failure::Failure;
use super::store::{PostgresStore, finds_room, goes_by};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::clock::SharedClock;
use crate::boundary::identity::StoreIdentity;
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::refresh::{FamilyStamp, MOST_LOGINS, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
use crate::protocol::millis::floor;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::Lineage;

fn read_family(id: FamilyId, mut cells: Cells) -> Result<StoredFamily, Failure> {
    let (subject, client, realm) = (cells.text()?, cells.client_id()?, cells.text_or_none()?);
    let (scope, audience, grant_type) = (cells.scope()?, cells.text_or_none()?, cells.text_or_none()?);
    let (methods, authenticated_at, version) = (cells.methods()?, cells.instant()?, cells.text_or_none()?);
    let (expires, lineage) = (cells.instant()?, Lineage::from_bytes(&cells.bytes()?)?);
    let stamp = FamilyStamp::new(cells.number()?.cast_unsigned());
    let facts = RefreshFamily::new(id, subject, client, authenticated_at, expires)
        .with_realm(realm.as_deref())
        .with_scope(scope)
        .with_audience(audience.as_deref())
        .with_grant_type(grant_type.as_deref())
        .with_methods(methods)
        .with_credential_version(version.as_deref());
    Ok(StoredFamily::new(facts, lineage, stamp).with_ended(cells.bool()?))
}

impl PostgresStore {
    /// Answers which family ended for it, if its access tokens are in another store: here they are hidden.
    async fn begin_family(&self, new: &NewFamily) -> Result<Option<FamilyId>, Failure> {
        let NewFamily { family, lineage, now, access_token, .. } = new;
        finds_room(&[family.subject_id(), family.client().as_str()])?;
        let (id, methods, lineage) = (family.id(), family.methods().to_string(), lineage.to_bytes());
        let begun = [
            Bytes(Some(id.as_bytes())),
            Text(Some(family.subject_id())),
            Text(Some(family.client().as_str())),
            Text(family.realm()),
            Text(Some(family.scope().as_str())),
            Text(family.audience()),
            Text(family.grant_type()),
            Text(Some(&methods)),
            BigInt(Some(floor(family.authenticated_at()))),
            Text(family.credential_version()),
            BigInt(Some(floor(family.expires()))),
            Bytes(Some(&lineage)),
            BigInt(Some(floor(*now))),
            BigInt(Some(MOST_LOGINS as i64)),
        ];
        let Some(token) = NewToken::unsaved(access_token.as_ref())? else {
            let gone = self.row(&self.statements().begin_family, &begun).await?.bytes_or_none()?;
            let id = gone.map(|gone| <[u8; 16]>::try_from(gone).map_err(|_| Failure::Row("the id of a family")));
            return Ok(id.transpose()?.map(FamilyId::from_bytes));
        };
        let values = [&begun[..], &token.values(self.tokens_per_login())].concat();
        self.row(&self.statements().begin_with_access_token, &values).await?;
        Ok(None)
    }

    async fn find_family(&self, id: FamilyId) -> Result<Option<StoredFamily>, Failure> {
        let found = self.row_or_none(&self.statements().find_family, &[Bytes(Some(id.as_bytes()))]).await?;
        found.map(|cells| read_family(id, cells)).transpose()
    }

    async fn rotate_family(&self, rotation: &Rotation) -> Result<bool, Failure> {
        let Rotation { family, seen, lineage, access_token, .. } = rotation;
        let lineage = lineage.as_ref().map(Lineage::to_bytes);
        let rotated = [
            Bytes(Some(family.as_bytes())),
            BigInt(Some(seen.get().cast_signed())),
            Bytes(lineage.as_ref().map(|bytes| &bytes[..])),
        ];
        let mut answer = match NewToken::unsaved(access_token.as_ref())? {
            None => self.row(&self.statements().rotate_family, &rotated).await?,
            Some(token) => {
                let values = [&rotated[..], &token.values(self.tokens_per_login())].concat();
                self.row(&self.statements().rotate_with_access_token, &values).await?
            }
        };
        answer.bool()
    }

    /// Ends the refresh token families of this subject in this realm, and removes its opaque access tokens: "log out
    /// everywhere". Answers how many there were of both. The two traits have a `revoke_subject` each, for one half of it.
    ///
    /// # Errors
    /// As any operation. Some of it may be done then: call it again.
    pub async fn log_out(&self, realm: Option<&str>, subject: &str) -> Result<u64, OperationError> {
        let families = RefreshTokenStore::revoke_subject(self, realm, subject).await?;
        let tokens = AccessTokenStore::revoke_subject(self, realm, subject).await?;
        Ok(families.saturating_add(tokens))
    }
}

#[async_trait]
impl RefreshTokenStore for PostgresStore {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        let gone = self.begin_family(&new).await.map_err(Failure::into_backend)?;
        Ok(gone.into_iter().collect())
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { self.find_family(family).await.map_err(Failure::into_backend) })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move { self.rotate_family(&rotation).await.map_err(Failure::into_backend) })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.is_done(&self.statements().end_family, &[Bytes(Some(family.as_bytes()))]).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let values = [Text(Some(subject)), Text(realm)];
        self.count_all(&self.statements().end_families_of, &values).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        goes_by(clock)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }
}
