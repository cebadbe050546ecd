//! Refresh token families, a key for each, whatever it went through.

use async_trait::async_trait;
use redis::Value;

use super::access::NewToken;
use super::answers::{bytes, bytes_or_none, count, is_done, list, list_of_bytes, number};
use super::failure::Failure;
use super::keys::{Login, Logins, NameDigest, Place};
use super::scripts::Argument::{self, Bytes, Number};
use super::store::{RedisStore, end, goes_by};
use super::together::both;
use super::written::{WrittenFamily, write_family, write_lineage};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::clock::SharedClock;
use crate::boundary::identity::StoreIdentity;
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::refresh::{FamilyStamp, MOST_LOGINS, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
use crate::protocol::secret::secrets::random_id;
use crate::protocol::token::family::FamilyId;

/// How often others may be first where as many logins of one subject at one client begin at once as it may have.
const MOST_TURNS: usize = 64;

/// The most families that one script ends.
const FAMILIES: usize = 100;

/// What became of a family that was to begin.
enum Begun {
    /// It began, and this one ended for it.
    Done(Option<FamilyId>),
    /// One of these has to end first.
    Full(Vec<FamilyId>),
    /// Its id is that of another.
    Taken,
}

fn family_id(bytes: Vec<u8>) -> Result<FamilyId, Failure> {
    bytes.try_into().map(FamilyId::from_bytes).map_err(|_| Failure::Value("the id of a family"))
}

fn begun(answer: Value) -> Result<Begun, Failure> {
    let mut answers = list(answer)?.into_iter();
    let what = answers.next().map(number).transpose()?;
    let ids = answers.filter(|answer| !matches!(answer, Value::Nil)).map(|id| family_id(bytes(id)?));
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    match what {
        Some(1) => Ok(Begun::Done(ids.into_iter().next())),
        Some(0) => Ok(Begun::Full(ids)),
        _ => Ok(Begun::Taken),
    }
}

impl RedisStore {
    /// Answers which family ended for it, if its access tokens may be in another store.
    async fn begin_family(&self, new: NewFamily) -> Result<Option<FamilyId>, Failure> {
        let NewFamily { family, lineage, access_token, .. } = &new;
        let (id, token) = (family.id(), NewToken::unsaved(family.id(), access_token.as_ref())?);
        let logins = Logins::new(id, family.subject_at_client())?;
        // Where its subject has logins is known before there is one.
        let subject = self.keys().subject(NameDigest::subject(family.realm(), family.subject_id())?);
        let (subject, place) = ([subject], Place::Logins(logins).to_bytes());
        let noted = [Bytes(&place), end(family.expires())];
        let note = self.run(&self.scripts().note, &subject, &noted);
        match &token {
            Some(token) => _ = both(note, self.prepare(token)).await?,
            None => _ = note.await?,
        }
        // By the stamp that it begins with a call that a client library repeats is known for the same.
        let random = random_id().map_err(|_| Failure::Given("a family without randomness"))?;
        let stamp = FamilyStamp::new(u64::from_be_bytes(random.first_chunk().copied().unwrap_or_default()));
        let written = write_family(family, lineage, stamp)?;
        let mut oldest = Vec::new();
        for _ in 0..MOST_TURNS {
            let mut keys =
                vec![self.keys().family(id), self.keys().logins(logins), self.keys().tokens(Login::Family(id))];
            keys.extend(oldest.iter().flat_map(|family| self.keys_of_family(*family)));
            let mut values =
                vec![Bytes(&written), Bytes(id.as_bytes()), end(family.expires()), Number(MOST_LOGINS as i64)];
            values.extend(NewToken::values(token.as_ref(), self.tokens_per_login()));
            values.extend(oldest.iter().map(|family| Bytes(family.as_bytes())));
            match begun(self.run(&self.scripts().begin_family, &keys, &values).await?)? {
                Begun::Done(gone) => return Ok(gone.filter(|_| token.is_none())),
                Begun::Full(found) => oldest = found,
                Begun::Taken => return Err(Failure::Given("a family with the id of another")),
            }
        }
        Err(Failure::NeverFirst(MOST_TURNS))
    }

    /// A family and its access tokens.
    fn keys_of_family(&self, family: FamilyId) -> [String; 2] {
        [self.keys().family(family), self.keys().tokens(Login::Family(family))]
    }

    async fn read_family(&self, id: FamilyId) -> Result<Option<Vec<u8>>, Failure> {
        bytes_or_none(self.run(&self.scripts().read, &[self.keys().family(id)], &[]).await?)
    }

    async fn find_family(&self, id: FamilyId) -> Result<Option<StoredFamily>, Failure> {
        let found = self.read_family(id).await?;
        found.map(|bytes| WrittenFamily::read(id, &bytes)?.into_stored()).transpose()
    }

    async fn rotate_family(&self, rotation: Rotation) -> Result<bool, Failure> {
        let Rotation { family, seen, lineage, access_token, .. } = &rotation;
        let token = NewToken::unsaved(*family, access_token.as_ref())?;
        if let Some(token) = &token {
            self.prepare(token).await?;
        }
        let (before, after) = (seen.get().to_be_bytes(), seen.get().wrapping_add(1).to_be_bytes());
        let lineage = lineage.as_ref().map(write_lineage).transpose()?.unwrap_or_default();
        let mut values = vec![Bytes(&before), Bytes(&after), Bytes(&lineage)];
        values.extend(NewToken::values(token.as_ref(), self.tokens_per_login()));
        is_done(self.run(&self.scripts().rotate_family, &self.keys_of_family(*family), &values).await?)
    }

    /// Ends families that have the same place, and answers how many had not ended before.
    async fn end_families(&self, families: &[FamilyId], logins: Option<Logins>) -> Result<u64, Failure> {
        let mut ended = 0_u64;
        for families in families.chunks(FAMILIES) {
            let mut keys: Vec<_> = families.iter().flat_map(|family| self.keys_of_family(*family)).collect();
            keys.extend(logins.map(|logins| self.keys().logins(logins)));
            let ids: Vec<Argument<'_>> = families.iter().map(|family| Bytes(family.as_bytes())).collect();
            let answer = self.run(&self.scripts().end_families, &keys, &ids).await?;
            ended = ended.saturating_add(count(answer)?);
        }
        Ok(ended)
    }

    async fn end_family(&self, id: FamilyId) -> Result<bool, Failure> {
        let Some(found) = self.read_family(id).await? else { return Ok(false) };
        // One that cannot be read is ended all the same. It stays among the logins of its subject until it is over.
        let facts = WrittenFamily::read(id, &found).ok().map(|family| family.facts);
        let logins = facts.map(|facts| Logins::new(id, facts.subject_at_client())).transpose()?;
        Ok(self.end_families(&[id], logins).await? > 0)
    }

    async fn end_families_of(&self, realm: Option<&str>, subject: &str) -> Result<u64, Failure> {
        let mut ended = 0_u64;
        for place in self.places(realm, subject).await? {
            let Place::Logins(logins) = place else { continue };
            let found = self.run(&self.scripts().list, &[self.keys().logins(logins)], &[]).await?;
            let families = list_of_bytes(found)?.into_iter().map(family_id).collect::<Result<Vec<_>, _>>()?;
            ended = ended.saturating_add(self.end_families(&families, Some(logins)).await?);
        }
        Ok(ended)
    }

    /// Ends the refresh token families of this subject in this realm, and removes its opaque access tokens: "log out
    /// everywhere". Answers how many there were of both. The two traits have a `revoke_subject` each, for one half of it.
    ///
    /// # Errors
    /// As any operation. Some of it may be done then: call it again.
    pub async fn log_out(&self, realm: Option<&str>, subject: &str) -> Result<u64, OperationError> {
        // A family ends with its access tokens. In this order they are counted, and what a refresh adds meanwhile goes, too.
        let tokens = AccessTokenStore::revoke_subject(self, realm, subject).await?;
        let families = RefreshTokenStore::revoke_subject(self, realm, subject).await?;
        Ok(families.saturating_add(tokens))
    }
}

#[async_trait]
impl RefreshTokenStore for RedisStore {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        let gone = self.within(self.begin_family(new)).await?;
        Ok(gone.into_iter().collect())
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(self.within(self.find_family(family)))
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(self.within(self.rotate_family(rotation)))
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.within(self.end_family(family)).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.within(self.end_families_of(realm, subject)).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        goes_by(clock)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }
}
