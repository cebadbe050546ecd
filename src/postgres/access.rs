//! Opaque access tokens.

use async_trait::async_trait;

use super::cells::Cells;
use super::connection::PostgresValue::{self, BigInt, Bytes, Text};
use super::failure::Failure;
use super::store::{PostgresStore, finds_room, goes_by};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::identity::StoreIdentity;
use crate::protocol::millis::floor;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::claims::Claims;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::holder::HolderKey;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::unsaved::UnsavedAccessToken;

/// An access token on its way into a statement.
pub(super) struct NewToken {
    digest: SecretDigest,
    record: AccessTokenRecord,
    login: HolderKey,
    audience: String,
    methods: String,
    claims: String,
}

impl NewToken {
    pub(super) fn new(digest: SecretDigest, record: AccessTokenRecord) -> Result<Self, Failure> {
        finds_room(&[record.subject_id()])?;
        let audience = serde_json::to_string(record.audience()).map_err(|_| Failure::Value("an audience"))?;
        let (login, methods) = (record.holder().key(), record.methods().to_string());
        let claims = record.claims().as_json().to_string();
        Ok(Self { digest, record, login, audience, methods, claims })
    }

    /// The one that comes with a login or a refresh, if there is one.
    pub(super) fn unsaved(token: Option<&UnsavedAccessToken>) -> Result<Option<Self>, Failure> {
        token.map(UnsavedAccessToken::take).map(|(digest, record)| Self::new(digest, record)).transpose()
    }

    /// The values of `keep_access_token`.
    pub(super) fn values(&self, per_login: i64) -> [PostgresValue<'_>; 13] {
        let record = &self.record;
        [
            Bytes(Some(self.login.as_bytes())),
            Bytes(Some(self.digest.as_bytes())),
            Text(Some(record.subject_id())),
            Text(Some(record.client().as_str())),
            Text(record.realm()),
            Text(Some(record.scope().as_str())),
            Text(Some(&self.audience)),
            BigInt(Some(floor(record.issued_at()))),
            BigInt(Some(floor(record.expires()))),
            BigInt(record.authenticated_at().map(floor)),
            Text(Some(&self.methods)),
            Text(Some(&self.claims)),
            BigInt(Some(per_login)),
        ]
    }
}

fn read_record(mut cells: Cells) -> Result<AccessTokenRecord, Failure> {
    let (login, subject, client) = (cells.bytes()?, cells.text()?, cells.client_id()?);
    let (realm, scope, audience) = (cells.text_or_none()?, cells.scope()?, cells.text()?);
    let audience: Vec<String> = serde_json::from_str(&audience).map_err(|_| Failure::Row("an audience"))?;
    let (issued, expires, authenticated_at) = (cells.instant()?, cells.instant()?, cells.instant_or_none()?);
    let (methods, claims) = (cells.methods()?, cells.text()?);
    let claims = Claims::from_json(&claims).map_err(|_| Failure::Row("claims"))?;
    Ok(AccessTokenRecord::new(subject, client, issued, expires)
        .with_realm(realm.as_deref())
        .with_scope(scope)
        .with_audience(audience)
        .with_authenticated_at(authenticated_at)
        .with_methods(methods)
        .with_family(HolderKey::family(&login))
        .with_claims(claims))
}

impl PostgresStore {
    async fn keep(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), Failure> {
        let token = NewToken::new(digest, record)?;
        self.row(&self.statements().keep_access_token, &token.values(self.tokens_per_login())).await?;
        Ok(())
    }

    async fn find_record(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, Failure> {
        let values = [Bytes(Some(digest.as_bytes()))];
        let found = self.row_or_none(&self.statements().find_access_token, &values).await?;
        found.map(read_record).transpose()
    }
}

#[async_trait]
impl AccessTokenStore for PostgresStore {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.keep(digest, record).await.map_err(Failure::into_backend)
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.find_record(digest).await.map_err(Failure::into_backend)
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        let values = [Bytes(Some(digest.as_bytes()))];
        self.is_done(&self.statements().remove_access_token, &values).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        let values = [Bytes(Some(family.as_bytes()))];
        self.count_all(&self.statements().remove_access_tokens_of_family, &values).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let values = [Text(Some(subject)), Text(realm)];
        self.count_all(&self.statements().remove_access_tokens_of_subject, &values).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        goes_by(clock)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }
}
