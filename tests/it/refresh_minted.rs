//! What a refresh has minted when its family ends at that very moment: it is neither sent nor left alive. The store ends the
//! family between the mint and the rotation, so that the race happens each time (RF-16, T62).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::MaybeFuture;
use tower_password_grant::audit::Reason;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens, MemoryRefreshTokens, NewFamily,
    RefreshTokenStore, Rotation, SecretDigest, StoredFamily,
};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed};

use crate::support::ManualClock;
use crate::support::refresh_token::kept_digest;
use crate::support::tokens::{Tokens, clients};

/// What happens to the family right before the next rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Race {
    Nothing,
    /// Another process ends the family, and has got no further than that.
    Ended,
    /// All logins of the subject are ended.
    SubjectEnded,
    /// Another copy of the token is used, and its successor, too.
    Replayed,
}

/// Stores of which the one for refresh tokens loses a race when it is told to.
struct Raced {
    refresh: MemoryRefreshTokens,
    race: Mutex<Race>,
    family: Mutex<Option<FamilyId>>,
    /// Of the token that is presented.
    presented: Mutex<Option<SecretDigest>>,
}

impl Raced {
    /// Somebody else uses the token, and then the token that this gave.
    async fn use_twice(&self, family: FamilyId) {
        let presented = self.presented.lock().unwrap().clone().unwrap();
        let [first, second] = [[1; 32], [2; 32]].map(SecretDigest::from_bytes);
        for (token, next) in [(presented, &first), (first.clone(), &second)] {
            let copy = RefreshTokenUse::new(family, token, ManualClock::start()).with_successor(next.clone(), [1; 32]);
            assert_eq!(copy.by(&self.refresh).await.unwrap(), TokenUsed::Done);
        }
    }
}

#[async_trait]
impl RefreshTokenStore for Raced {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        *self.family.lock().unwrap() = Some(new.family.id());
        self.refresh.begin(new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { self.refresh.find(family).await })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            let race = std::mem::replace(&mut *self.race.lock().unwrap(), Race::Nothing);
            let family = self.family.lock().unwrap().unwrap();
            match race {
                Race::Nothing => {}
                Race::Ended => assert!(self.refresh.revoke_family(family).await.unwrap()),
                Race::SubjectEnded => assert_eq!(self.refresh.revoke_subject(None, "user-alice").await.unwrap(), 1),
                Race::Replayed => self.use_twice(family).await,
            }
            self.refresh.rotate(rotation).await
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.refresh.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.refresh.revoke_subject(realm, subject).await
    }
}

/// Every access token that was ever minted.
struct Minted {
    tokens: MemoryAccessTokens,
    digests: Mutex<Vec<SecretDigest>>,
}

#[async_trait]
impl AccessTokenStore for Minted {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.digests.lock().unwrap().push(digest.clone());
        self.tokens.insert(digest, record).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.tokens.find(digest).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        self.tokens.revoke(digest).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        self.tokens.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.tokens.revoke_subject(realm, subject).await
    }
}

impl Minted {
    /// How many were minted, and how many of them are good.
    async fn count(&self) -> (usize, usize) {
        let digests = self.digests.lock().unwrap().clone();
        let mut good = 0;
        for digest in &digests {
            good += usize::from(self.tokens.find(digest).await.unwrap().is_some());
        }
        (digests.len(), good)
    }
}

#[tokio::test]
async fn what_is_minted_while_its_family_ends_is_ended_with_it() {
    for (race, reason) in [
        (Race::Ended, Reason::RefreshTokenEnded),
        (Race::SubjectEnded, Reason::RefreshTokenEnded),
        (Race::Replayed, Reason::RefreshTokenReplayed),
    ] {
        for client in ["conf", "pub"] {
            let clock = ManualClock::new();
            let refresh = Arc::new(Raced {
                refresh: MemoryRefreshTokens::new(),
                race: Mutex::new(Race::Nothing),
                family: Mutex::default(),
                presented: Mutex::default(),
            });
            let tokens = MemoryAccessTokens::new().with_clock(clock.clone());
            let minted = Arc::new(Minted { tokens, digests: Mutex::default() });
            let (access, store) = (Arc::clone(&minted), Arc::clone(&refresh));
            let world = Tokens::over(clock, access, store, clients(), |builder| builder);

            let login = world.login(client).await;
            assert_eq!(minted.count().await, (1, 1));
            *refresh.race.lock().unwrap() = race;
            *refresh.presented.lock().unwrap() = Some(kept_digest(&login.refresh));
            let answer = world.refresh(client, &login.refresh).await;
            answer.assert_error(400, "invalid_grant");
            assert_eq!(world.reason(), Some(reason), "{race:?}");
            assert_eq!(minted.count().await, (2, 0), "{race:?}: an access token of an ended family is good");
        }
    }
}

#[tokio::test]
async fn without_a_race_what_is_minted_is_good() {
    let clock = ManualClock::new();
    let refresh = Raced {
        refresh: MemoryRefreshTokens::new(),
        race: Mutex::new(Race::Nothing),
        family: Mutex::default(),
        presented: Mutex::default(),
    };
    let tokens = MemoryAccessTokens::new().with_clock(clock.clone());
    let minted = Arc::new(Minted { tokens, digests: Mutex::default() });
    let world = Tokens::over(clock, Arc::clone(&minted) as _, Arc::new(refresh), clients(), |builder| builder);
    let login = world.login("conf").await;
    world.refresh("conf", &login.refresh).await.assert_ok();
    assert_eq!(minted.count().await, (2, 2));
}
