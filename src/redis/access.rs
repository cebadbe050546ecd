//! Opaque access tokens.
//!
//! What a token stands for lies under its digest. It counts as long as it is one of the tokens of its login, which lie beside the
//! login's family: so a login ends with all its tokens in one step, and what they stood for is left to its time.

use async_trait::async_trait;

use super::answers::{bytes_or_none, count, is_done, list_of_bytes};
use super::failure::Failure;
use super::keys::{Login, NameDigest, Place};
use super::scripts::Argument::{self, Bytes, Number};
use super::store::{RedisStore, end, goes_by};
use super::together::both;
use super::written::{read_token, write_token};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::identity::StoreIdentity;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::unsaved::UnsavedAccessToken;

/// The most logins whose tokens one script removes.
const LOGINS: usize = 100;

/// An access token on its way into the store.
pub(super) struct NewToken {
    digest: SecretDigest,
    record: AccessTokenRecord,
    login: Login,
}

impl NewToken {
    fn new(digest: SecretDigest, record: AccessTokenRecord) -> Result<Self, Failure> {
        Ok(Self { login: Login::of(&record)?, digest, record })
    }

    /// The one that comes with a login or a refresh of this family, if there is one.
    pub(super) fn unsaved(family: FamilyId, token: Option<&UnsavedAccessToken>) -> Result<Option<Self>, Failure> {
        let Some((digest, record)) = token.map(UnsavedAccessToken::take) else { return Ok(None) };
        if record.family() != Some(family) {
            return Err(Failure::Given("an access token with a family that is not its own"));
        }
        Self::new(digest, record).map(Some)
    }

    /// The last values of a script that keeps it, or keeps none.
    pub(super) fn values(token: Option<&Self>, per_login: i64) -> [Argument<'_>; 3] {
        match token {
            Some(token) => [Bytes(token.digest.as_bytes()), end(token.record.expires()), Number(per_login)],
            None => [Bytes(&[]), Number(0), Number(per_login)],
        }
    }
}

impl RedisStore {
    /// Writes what a token stands for, and that its subject has tokens of this login. The token counts only once it is one of them.
    pub(super) async fn prepare(&self, token: &NewToken) -> Result<(), Failure> {
        let NewToken { digest, record, login } = token;
        let subject = self.keys().subject(NameDigest::subject(record.realm(), record.subject_id())?);
        let (place, text, expires) = (Place::Tokens(*login).to_bytes(), write_token(record)?, end(record.expires()));
        let (noted, written) = ([Bytes(&place), expires], [Bytes(&text), expires]);
        let (subject, token) = ([subject], [self.keys().token(digest)]);
        let note = self.run(&self.scripts().note, &subject, &noted);
        both(note, self.run(&self.scripts().write, &token, &written)).await?;
        Ok(())
    }

    async fn keep(&self, token: NewToken) -> Result<(), Failure> {
        self.prepare(&token).await?;
        let mut keys = vec![self.keys().tokens(token.login)];
        if let Login::Family(family) = token.login {
            keys.push(self.keys().family(family));
        }
        let values = NewToken::values(Some(&token), self.tokens_per_login());
        self.run(&self.scripts().keep_token, &keys, &values).await?;
        Ok(())
    }

    async fn find_record(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, Failure> {
        let found = self.run(&self.scripts().read, &[self.keys().token(digest)], &[]).await?;
        bytes_or_none(found)?.map(|text| read_token(&text)).transpose()
    }

    /// The record of a token that counts.
    async fn find_token(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, Failure> {
        let Some(record) = self.find_record(digest).await? else { return Ok(None) };
        let keys = [self.keys().tokens(Login::of(&record)?)];
        let found = self.run(&self.scripts().has_token, &keys, &[Bytes(digest.as_bytes())]).await?;
        Ok(is_done(found)?.then_some(record))
    }

    async fn remove_token(&self, digest: &SecretDigest) -> Result<bool, Failure> {
        let Some(record) = self.find_record(digest).await? else { return Ok(false) };
        let keys = [self.keys().tokens(Login::of(&record)?)];
        is_done(self.run(&self.scripts().remove_token, &keys, &[Bytes(digest.as_bytes())]).await?)
    }

    /// Removes the tokens of logins whose keys lie in one slot.
    async fn remove_tokens(&self, keys: &[String]) -> Result<u64, Failure> {
        count(self.run(&self.scripts().remove_tokens, keys, &[]).await?)
    }

    /// Where a subject has something.
    pub(super) async fn places(&self, realm: Option<&str>, subject: &str) -> Result<Vec<Place>, Failure> {
        let keys = [self.keys().subject(NameDigest::subject(realm, subject)?)];
        let found = list_of_bytes(self.run(&self.scripts().list, &keys, &[]).await?)?;
        found.iter().map(|place| Place::from_bytes(place)).collect()
    }

    async fn remove_tokens_of(&self, realm: Option<&str>, subject: &str) -> Result<u64, Failure> {
        let (mut families, mut removed) = (Vec::new(), 0_u64);
        for place in self.places(realm, subject).await? {
            match place {
                Place::Logins(_) => {}
                Place::Tokens(Login::Family(family)) => families.push(family),
                Place::Tokens(login @ Login::Subject(_)) => {
                    let keys = [self.keys().tokens(login)];
                    removed = removed.saturating_add(self.remove_tokens(&keys).await?);
                }
            }
        }
        families.sort_unstable();
        // Families that have the same place lie in one slot.
        for families in families.chunk_by(|one, other| one.place() == other.place()) {
            for families in families.chunks(LOGINS) {
                let keys: Vec<_> = families.iter().map(|family| self.keys().tokens(Login::Family(*family))).collect();
                removed = removed.saturating_add(self.remove_tokens(&keys).await?);
            }
        }
        Ok(removed)
    }
}

#[async_trait]
impl AccessTokenStore for RedisStore {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.within(async { self.keep(NewToken::new(digest, record)?).await }).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.within(self.find_token(digest)).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        self.within(self.remove_token(digest)).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        let keys = [self.keys().tokens(Login::Family(family))];
        self.within(self.remove_tokens(&keys)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.within(self.remove_tokens_of(realm, subject)).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        goes_by(clock)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }
}
