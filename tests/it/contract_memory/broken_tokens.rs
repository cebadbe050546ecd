//! Access token stores and one-time values that break one promise each.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens, MemoryOneTimeValues, OneTimeValues, SecretDigest,
};
use tower_password_grant::testing::contract;
use tower_password_grant::token::{AuthenticationMethods, Claims};

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    SortsTheAudience,
    DropsClaims,
    DropsMethods,
    DropsTheFamily,
    EmptyRealmIsNone,
    KeepsTheRevoked,
    RevokesTwice,
    RevokesInTwoSteps,
    RevokesTheFamily,
    KeepsFamilies,
    FamilyIsTheSubject,
    CountsNoFamily,
    RevokesAnyRealm,
    NoRealmIsEmptyRealm,
    CountsWithoutRemoving,
    BoundsAll,
    BoundsAcrossRealms,
    BoundsAcrossSubjects,
    BoundsAcrossClients,
    BoundsAcrossFamilies,
    RemovesTheOneBefore,
    HasLittleRoom,
    RemovesAnyOfTheSubject,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::SortsTheAudience, "`find` gives the audience as it was, in its order"),
    (Fault::DropsClaims, "`find` gives the claims as they were"),
    (Fault::DropsMethods, "`find` gives the methods of the authentication as they were"),
    (Fault::DropsTheFamily, "`find` gives the family as it was"),
    (Fault::EmptyRealmIsNone, "`find` gives the realm as it was, and none is not an empty one"),
    (Fault::KeepsTheRevoked, "a token is not found after `revoke`"),
    (Fault::RevokesTwice, "`revoke` is false for a token that never was"),
    (Fault::RevokesInTwoSteps, "of parallel calls of `revoke` exactly one removed the token"),
    (Fault::RevokesTheFamily, "`revoke_family` answers how many records of the family there were"),
    (Fault::KeepsFamilies, "`revoke_family` answers how many records of the family there were"),
    (Fault::FamilyIsTheSubject, "`revoke_family` removes no token of another family, or of none"),
    (Fault::CountsNoFamily, "`revoke_family` answers how many records of the family there were"),
    (Fault::RevokesAnyRealm, "how many records of exactly this subject and realm there were"),
    (Fault::NoRealmIsEmptyRealm, "how many records of exactly this subject and realm there were"),
    (Fault::CountsWithoutRemoving, "how many records of exactly this subject and realm there were"),
    (Fault::BoundsAll, NO_OTHER),
    (Fault::BoundsAcrossRealms, NO_OTHER),
    (Fault::BoundsAcrossSubjects, NO_OTHER),
    (Fault::BoundsAcrossClients, NO_OTHER),
    (Fault::BoundsAcrossFamilies, NO_OTHER),
    (Fault::RemovesTheOneBefore, "tokens of a login remove its oldest ones, and none before an older one"),
    (Fault::HasLittleRoom, "logins of a subject remove no token of another realm or subject"),
    (Fault::RemovesAnyOfTheSubject, "logins of a subject remove its oldest tokens, and none before an older one"),
];

const NO_OTHER: &str = "tokens of a login remove none of another realm, subject, client or family";

impl Fault {
    /// Whose tokens are bounded together with this one; all that its login has in common, if nothing is wrong.
    fn holder(self, record: &AccessTokenRecord) -> String {
        let realm = record.realm().filter(|_| self != Self::BoundsAcrossRealms);
        let subject = match self {
            Self::BoundsAcrossSubjects => record.subject_id().to_lowercase(),
            _ => record.subject_id().to_owned(),
        };
        let client = if self == Self::BoundsAcrossClients { "" } else { record.client().as_str() };
        match record.family() {
            _ if matches!(self, Self::BoundsAll | Self::HasLittleRoom) => String::new(),
            Some(_) if self == Self::RemovesAnyOfTheSubject => format!("{realm:?} {subject:?}"),
            Some(family) if self != Self::BoundsAcrossFamilies => family.to_string(),
            _ => format!("{realm:?} {subject:?} {client:?}"),
        }
    }
}

struct Broken {
    fault: Fault,
    tokens: Mutex<HashMap<String, VecDeque<SecretDigest>>>,
    inner: MemoryAccessTokens,
    records: Mutex<Vec<AccessTokenRecord>>,
}

#[async_trait]
impl AccessTokenStore for Broken {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.records.lock().unwrap().push(record.clone());
        let record = match self.fault {
            Fault::SortsTheAudience => {
                let mut audience = record.audience().to_vec();
                audience.sort();
                record.with_audience(audience)
            }
            Fault::DropsClaims => record.with_claims(Claims::new()),
            Fault::DropsMethods => record.with_methods(AuthenticationMethods::NONE),
            Fault::DropsTheFamily => record.with_family(None),
            Fault::EmptyRealmIsNone if record.realm() == Some("") => record.with_realm(None),
            _ => record,
        };
        let beyond = {
            let mut tokens = self.tokens.lock().unwrap();
            let tokens = tokens.entry(self.fault.holder(&record)).or_default();
            tokens.push_back(digest.clone());
            let (most, last) = match self.fault {
                Fault::RemovesTheOneBefore => (100, 99),
                // More than a crowd of one login.
                Fault::HasLittleRoom => (500, 0),
                Fault::RemovesAnyOfTheSubject => (500, 250),
                _ => (100, 0),
            };
            if tokens.len() > most { tokens.remove(last) } else { None }
        };
        if let Some(beyond) = beyond {
            self.inner.revoke(&beyond).await?;
        }
        self.inner.insert(digest, record).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.inner.find(digest).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        let found = self.inner.find(digest).await?;
        match self.fault {
            Fault::KeepsTheRevoked => Ok(found.is_some()),
            Fault::RevokesTwice => self.inner.revoke(digest).await.map(|_| true),
            Fault::RevokesInTwoSteps => {
                yield_now().await;
                self.inner.revoke(digest).await?;
                Ok(found.is_some())
            }
            Fault::RevokesTheFamily => match found.and_then(|found| found.family()) {
                Some(family) => Ok(self.inner.revoke_family(family).await? > 0),
                None => self.inner.revoke(digest).await,
            },
            _ => self.inner.revoke(digest).await,
        }
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        match self.fault {
            Fault::KeepsFamilies => Ok(0),
            Fault::CountsNoFamily => self.inner.revoke_family(family).await.map(|_| 1),
            Fault::FamilyIsTheSubject => {
                let removed = self.inner.revoke_family(family).await?;
                let known = self.records.lock().unwrap().clone();
                for record in known.iter().filter(|record| record.family() == Some(family)) {
                    self.inner.revoke_subject(record.realm(), record.subject_id()).await?;
                }
                Ok(removed)
            }
            _ => self.inner.revoke_family(family).await,
        }
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let mut removed = 0;
        match self.fault {
            Fault::RevokesAnyRealm => {
                for realm in [None, Some(""), Some("a"), Some("A"), Some("a ")] {
                    removed += self.inner.revoke_subject(realm, subject).await?;
                }
            }
            Fault::NoRealmIsEmptyRealm if realm.unwrap_or("").is_empty() => {
                for realm in [None, Some("")] {
                    removed += self.inner.revoke_subject(realm, subject).await?;
                }
            }
            Fault::CountsWithoutRemoving => removed = 2,
            _ => removed = self.inner.revoke_subject(realm, subject).await?,
        }
        Ok(removed)
    }
}

#[test]
fn each_broken_access_token_store_is_told_which_promise_it_breaks() {
    for (fault, promise) in FAULTS {
        let make = async || {
            contract::two_handles(Broken {
                fault: *fault,
                tokens: Mutex::default(),
                inner: MemoryAccessTokens::new().with_tokens_per_login(usize::MAX).unwrap(),
                records: Mutex::default(),
            })
        };
        let told = complaint(contract::access_token_store(make));
        assert!(told.contains(promise), "{fault:?}: {told:?} and not {promise:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Spending {
    Never,
    Always,
    GetsAndThenSets,
    UntilAnotherEnd,
    AllAtOnce,
    UnseenByALook,
    ByALook,
}

struct BrokenValues {
    spending: Spending,
    inner: MemoryOneTimeValues,
    spent: Mutex<HashSet<([u8; 32], SystemTime)>>,
}

#[async_trait]
impl OneTimeValues for BrokenValues {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        let key = (*value.as_bytes(), expires);
        let spent = || self.spent.lock().unwrap();
        Ok(match self.spending {
            Spending::Never => false,
            Spending::Always => self.inner.consume(value, expires).await.map(|_| true)?,
            Spending::GetsAndThenSets => {
                let is_new = !spent().contains(&(key.0, SystemTime::UNIX_EPOCH));
                yield_now().await;
                spent().insert((key.0, SystemTime::UNIX_EPOCH));
                is_new
            }
            Spending::UntilAnotherEnd => spent().insert(key),
            Spending::AllAtOnce => {
                let is_new = spent().len() < 100;
                is_new && spent().insert((key.0, SystemTime::UNIX_EPOCH))
            }
            Spending::UnseenByALook | Spending::ByALook => self.inner.consume(value, expires).await?,
        })
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        let is_kept = self.spent.lock().unwrap().iter().any(|(kept, _)| kept == value.as_bytes());
        Ok(match self.spending {
            Spending::UnseenByALook => false,
            Spending::ByALook => !self.inner.consume(value, SystemTime::now() + Duration::from_secs(600)).await?,
            _ => is_kept || self.inner.is_spent(value).await?,
        })
    }
}

#[test]
fn each_broken_store_of_one_time_values_is_told_which_promise_it_breaks() {
    for (spending, promise) in [
        (Spending::Never, "`consume` is true for a value that is unspent"),
        (Spending::Always, "a value that is spent stays so until it expires"),
        (Spending::GetsAndThenSets, "of parallel calls of `consume` for one value exactly one is true"),
        (Spending::UntilAnotherEnd, "a value that is spent stays so until it expires"),
        (Spending::AllAtOnce, "`consume` spends no other value"),
        (Spending::UnseenByALook, "`is_spent` is true for a value that is spent"),
        (Spending::ByALook, "`consume` is true for a value that is unspent"),
    ] {
        let values = || BrokenValues { spending, inner: MemoryOneTimeValues::new(), spent: Mutex::default() };
        let make = async || contract::two_handles(values());
        let told = complaint(contract::one_time_values(make));
        assert!(told.contains(promise), "{spending:?}: {told:?} and not {promise:?}");
    }
}

/// Two handles that are two stores: each process of its own.
#[test]
fn a_store_that_its_other_handle_does_not_see_is_told_so() {
    let told = complaint(contract::access_token_store(async || [(); 2].map(|()| MemoryAccessTokens::new())));
    assert!(told.contains("a record is found as soon as it was inserted, over any handle"), "{told}");
    let told = complaint(contract::one_time_values(async || [(); 2].map(|()| MemoryOneTimeValues::new())));
    assert!(told.contains("of parallel calls of `consume` for one value exactly one is true"), "{told}");
}

/// Access tokens of which a removal is done in two parts, and is half done if its caller goes.
struct Halfway(MemoryAccessTokens, Mutex<HashSet<[u8; 32]>>);

#[async_trait]
impl AccessTokenStore for Halfway {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.0.insert(digest, record).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.0.find(digest).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        // Noted as removed, and removed later: the next call believes the note.
        if !self.1.lock().unwrap().insert(*digest.as_bytes()) {
            return Ok(false);
        }
        yield_now().await;
        self.0.revoke(digest).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        self.0.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.0.revoke_subject(realm, subject).await
    }
}

#[test]
fn a_removal_that_is_half_done_when_its_caller_goes_is_told_so() {
    let make = async || contract::two_handles(Halfway(MemoryAccessTokens::new(), Mutex::default()));
    let told = complaint(contract::access_token_store(make));
    assert!(told.contains("a token is not found after `revoke`, though an earlier call was given up"), "{told}");
}
