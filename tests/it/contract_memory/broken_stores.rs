//! Refresh token stores that break one promise each.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::MaybeFuture;
use tower_password_grant::store::{
    FamilyId, FamilyStamp, Lineage, NewFamily, RefreshFamily, RefreshTokenStore, Rotation, StoredFamily,
};
use tower_password_grant::testing::contract;
use tower_password_grant::token::AuthenticationMethods;

use super::complaint;
use crate::support::reference::{self, PlainStore, Row, time_between};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    // What is kept.
    BeginsLate,
    DropsAudience,
    DropsMethods,
    DropsCredentialVersion,
    DropsScope,
    EmptyRealmIsNone,
    KeepsWholeSeconds,
    TrimsSubjects,
    ForgetsPredecessors,
    LosesLineages,
    FindsByHalfAnId,
    BeginsTwice,
    // Stamps.
    IgnoresStamps,
    StampsStandStill,
    StampsComeAgain,
    FindingChangesStamps,
    SeeingChangesStamps,
    RefusesToSee,
    KeepsWhatItRefuses,
    RotatesWhatNeverWas,
    // Time and versions.
    RefusesWhatIsOver,
    OverEndsTheLogin,
    GuessesLaterVersions,
    ForgetsLaterVersions,
    // Lost answers.
    RotatesInTwoSteps,
    // Ends.
    ForgetsEndedFamilies,
    HidesEnds,
    RotatesEndedFamilies,
    SeesEndedFamilies,
    RevokesTwice,
    RevokesUnknownFamilies,
    RevokesTheWholeSubject,
    RevokesAnyRealm,
    NoRealmIsEmptyRealm,
    RevokesAnyCase,
    CountsEndedFamilies,
    CrowdsOutTheOldest,
    CrowdsOutTheClient,
    CrowdsOutTheNewest,
    EndsInSilence,
    AnswersTheLiving,
    // Races.
    LooksAndThenReplaces,
    KeepsTheLastOfARace,
    OverwritesEveryEnd,
    OverwritesTheEndOfSubjects,
    RevokesInTwoSteps,
}

/// Each fault with what the suite says of it.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::BeginsLate, "a family is found as soon as it was begun"),
    (Fault::DropsAudience, "`find` gives the audience as it was, and none is not an empty one"),
    (Fault::DropsMethods, "`find` gives the methods of the authentication as they were"),
    (Fault::DropsCredentialVersion, "`find` gives the credential version as it was"),
    (Fault::DropsScope, "`find` gives the scope as it was"),
    (Fault::EmptyRealmIsNone, "`find` gives the realm as it was, and none is not an empty one"),
    (Fault::KeepsWholeSeconds, "`find` gives the time of the authentication to the millisecond"),
    (Fault::TrimsSubjects, "`find` gives the subject as it was"),
    (Fault::ForgetsPredecessors, "`find` gives the last lineage that was kept, whole"),
    (Fault::LosesLineages, "`find` gives the last lineage that was kept, whole"),
    (Fault::FindsByHalfAnId, "a family is found by all bytes of its id"),
    (Fault::BeginsTwice, "a family with the id of another is an error, and the other stays as it is"),
    (Fault::IgnoresStamps, "a rotation with the stamp of an earlier state is refused"),
    (Fault::StampsStandStill, "a rotation with the stamp of an earlier state is refused"),
    (Fault::StampsComeAgain, "a stamp that it never had before"),
    (Fault::FindingChangesStamps, "a rotation with the stamp that was seen is kept"),
    (Fault::SeeingChangesStamps, "a rotation without a new lineage is true and leaves the lineage and its stamp"),
    (Fault::RefusesToSee, "a rotation without a new lineage is true and leaves the lineage and its stamp"),
    (Fault::KeepsWhatItRefuses, "is refused, and nothing of it is kept"),
    (Fault::RotatesWhatNeverWas, "a rotation of a family that never was is not kept"),
    (Fault::RefusesWhatIsOver, "a family that is over when it is begun is one of those that may be forgotten"),
    (Fault::OverEndsTheLogin, "a family that is over ends no other of its login"),
    (Fault::GuessesLaterVersions, "a lineage of a later version is an error, or is given back as it was"),
    (Fault::ForgetsLaterVersions, "a lineage of a later version is an error, or is given back as it was"),
    (Fault::RotatesInTwoSteps, "a rotation whose future was dropped happened whole or not at all"),
    (Fault::ForgetsEndedFamilies, "a family that has ended is found until it is over"),
    (Fault::HidesEnds, "a family that has ended is found as such"),
    (Fault::RotatesEndedFamilies, "no rotation of a family that has ended is kept"),
    (Fault::SeesEndedFamilies, "no rotation of a family that has ended is kept"),
    (Fault::RevokesTwice, "`revoke_family` is true once for each family"),
    (Fault::RevokesUnknownFamilies, "a family is found by all bytes of its id"),
    (Fault::RevokesTheWholeSubject, "`revoke_family` ends no other family of the subject"),
    (Fault::RevokesAnyRealm, "how many families of exactly this subject and realm it ended"),
    (Fault::NoRealmIsEmptyRealm, "and no realm is not an empty one"),
    (Fault::RevokesAnyCase, "how many families of exactly this subject and realm it ended"),
    (Fault::CountsEndedFamilies, "`revoke_subject` counts no family twice"),
    (Fault::CrowdsOutTheOldest, "logins of a subject end none of another subject, realm or client"),
    (Fault::CrowdsOutTheClient, "logins of a subject end none of another subject, realm or client"),
    (Fault::CrowdsOutTheNewest, "the oldest end first"),
    (Fault::EndsInSilence, "`begin` answers each family that ended for it"),
    (Fault::AnswersTheLiving, "a family that `begin` answers has ended"),
    (Fault::LooksAndThenReplaces, "of parallel rotations with one stamp exactly one is kept"),
    (Fault::KeepsTheLastOfARace, "of parallel rotations the one that was told so is kept"),
    (Fault::OverwritesEveryEnd, "of parallel uses without leeway exactly one is told that it ended the family"),
    (Fault::OverwritesTheEndOfSubjects, "no token of a family counts after it was ended, even if it was rotated"),
    (Fault::RevokesInTwoSteps, "of parallel calls of `revoke_family` exactly one ended the family"),
];

/// The plain store with a fault.
struct Broken {
    fault: Fault,
    store: PlainStore,
    late: Mutex<Vec<NewFamily>>,
    /// The families whose end is not overwritten.
    firm: Mutex<HashSet<FamilyId>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { fault, store: PlainStore::default(), late: Mutex::default(), firm: Mutex::default() }
    }

    /// The family as this store keeps it.
    fn kept(&self, given: RefreshFamily) -> RefreshFamily {
        let seconds = |time: SystemTime| UNIX_EPOCH + Duration::from_secs(time_between(UNIX_EPOCH, time).as_secs());
        let copy = |subject: &str, from: SystemTime, until: SystemTime| {
            RefreshFamily::new(given.id(), subject, given.client().clone(), from, until)
                .with_realm(given.realm())
                .with_scope(given.scope().clone())
                .with_audience(given.audience())
                .with_grant_type(given.grant_type())
                .with_methods(given.methods())
                .with_credential_version(given.credential_version())
        };
        match self.fault {
            Fault::DropsAudience => given.with_audience(None),
            Fault::DropsMethods => given.with_methods(AuthenticationMethods::NONE),
            Fault::DropsCredentialVersion => given.with_credential_version(None),
            Fault::DropsScope => given.with_scope("a".parse().unwrap()),
            Fault::EmptyRealmIsNone if given.realm() == Some("") => given.with_realm(None),
            Fault::KeepsWholeSeconds => {
                copy(given.subject_id(), seconds(given.authenticated_at()), seconds(given.expires()))
            }
            Fault::TrimsSubjects => copy(given.subject_id().trim(), given.authenticated_at(), given.expires()),
            _ => given,
        }
    }

    fn begin_now(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        let (family, now) = (self.kept(new.family), new.now);
        let is_over = family.expires() <= now;
        let is_crowded_by = |row: &&mut Row| match self.fault {
            Fault::CrowdsOutTheOldest => !row.has_ended,
            Fault::CrowdsOutTheClient => !row.has_ended && row.facts.subject_id() == family.subject_id(),
            Fault::CrowdsOutTheNewest | Fault::EndsInSilence | Fault::AnswersTheLiving => {
                let parts = |facts: &RefreshFamily| {
                    (facts.realm().map(str::to_owned), facts.subject_id().to_owned(), facts.client().clone())
                };
                !row.has_ended && parts(&row.facts) == parts(&family)
            }
            _ => false,
        };
        let mut rows = self.store.lock();
        match self.fault {
            Fault::RefusesWhatIsOver if is_over => return Err(BackendError::fault("it is over")),
            Fault::OverEndsTheLogin if is_over => {
                reference::end(&mut rows, |row| row.facts.subject_id() == family.subject_id());
            }
            Fault::BeginsTwice => rows.retain(|row| row.facts.id() != family.id()),
            _ => {}
        }
        let mut crowded: Vec<_> = rows.iter_mut().filter(is_crowded_by).collect();
        let excess = (crowded.len() + 1).saturating_sub(100);
        if self.fault == Fault::CrowdsOutTheNewest {
            crowded.reverse();
        }
        crowded.iter_mut().take(excess).for_each(|row| row.has_ended = true);
        let newest = crowded.last().filter(|_| self.fault == Fault::AnswersTheLiving).map(|row| row.facts.id());
        reference::begin(&mut rows, family, new.lineage)?;
        Ok(newest.into_iter().collect())
    }

    fn find_now(&self, family: FamilyId) -> Option<StoredFamily> {
        let mut rows = self.store.lock();
        let is_meant = |row: &&mut Row| match self.fault {
            Fault::FindsByHalfAnId => row.facts.id().as_bytes()[3..15] == family.as_bytes()[3..15],
            _ => row.facts.id() == family,
        };
        let row = rows.iter_mut().find(is_meant)?;
        let mut found = StoredFamily::new(row.facts.clone(), row.lineage.clone(), FamilyStamp::new(row.stamp));
        found.is_ended = row.has_ended && self.fault != Fault::HidesEnds;
        let is_later = row.lineage.to_bytes()[0] > 1;
        match self.fault {
            Fault::FindingChangesStamps => row.stamp += 1,
            Fault::StampsComeAgain => found.stamp = FamilyStamp::new(row.stamp % 7),
            Fault::ForgetsEndedFamilies if row.has_ended => return None,
            Fault::ForgetsLaterVersions if is_later => return None,
            Fault::GuessesLaterVersions if is_later => {
                let bytes = [&[1], &row.lineage.to_bytes()[1..]].concat();
                found.lineage = Lineage::from_bytes(&bytes).unwrap();
            }
            _ => {}
        }
        Some(found)
    }

    fn rotate_now(&self, mut rotation: Rotation) -> bool {
        let mut rows = self.store.lock();
        let Some(row) = rows.iter_mut().find(|row| row.facts.id() == rotation.family) else {
            return self.fault == Fault::RotatesWhatNeverWas;
        };
        let is_seen = row.stamp == rotation.seen.get();
        match self.fault {
            Fault::IgnoresStamps => rotation.seen = FamilyStamp::new(row.stamp),
            Fault::StampsComeAgain if rotation.seen.get() == row.stamp % 7 => {
                rotation.seen = FamilyStamp::new(row.stamp)
            }
            Fault::KeepsWhatItRefuses if !is_seen => {
                row.lineage = rotation.lineage.clone().unwrap_or_else(|| row.lineage.clone());
            }
            Fault::ForgetsPredecessors => rotation.lineage = rotation.lineage.map(Lineage::without_predecessor),
            Fault::LosesLineages if rotation.lineage.is_some() => {
                row.stamp += u64::from(is_seen);
                return is_seen;
            }
            Fault::StampsStandStill => {
                row.lineage = rotation.lineage.unwrap_or_else(|| row.lineage.clone());
                return is_seen && !row.has_ended;
            }
            Fault::SeeingChangesStamps if rotation.lineage.is_none() && is_seen => {
                row.stamp += 1;
                return true;
            }
            Fault::RefusesToSee if rotation.lineage.is_none() => return false,
            Fault::RotatesEndedFamilies if is_seen => row.has_ended = false,
            Fault::SeesEndedFamilies if rotation.lineage.is_none() && is_seen => return true,
            _ => {}
        }
        reference::rotate(&mut rows, rotation)
    }

    fn row<T>(&self, family: FamilyId, look: impl FnOnce(&mut Row) -> T) -> Option<T> {
        self.store.lock().iter_mut().find(|row| row.facts.id() == family).map(look)
    }
}

#[async_trait]
impl RefreshTokenStore for Broken {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        if self.fault != Fault::BeginsLate {
            return self.begin_now(new);
        }
        let late = std::mem::replace(&mut *self.late.lock().unwrap(), vec![new]);
        late.into_iter().try_for_each(|new| self.begin_now(new).map(drop))?;
        Ok(Vec::new())
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { Ok(self.find_now(family)) })
    }

    fn rotate(&self, mut rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            let family = rotation.family;
            match self.fault {
                Fault::LooksAndThenReplaces => {
                    let is_seen = self.row(family, |row| row.stamp == rotation.seen.get() && !row.has_ended);
                    yield_now().await;
                    self.row(family, |row| rotation.seen = FamilyStamp::new(row.stamp));
                    Ok(is_seen == Some(true) && self.rotate_now(rotation))
                }
                Fault::KeepsTheLastOfARace => {
                    let was_seen = self.row(family, |row| row.stamp == rotation.seen.get());
                    yield_now().await;
                    let is_kept = self.rotate_now(rotation.clone());
                    if let (false, Some(true), Some(lineage)) = (is_kept, was_seen, rotation.lineage) {
                        self.row(family, |row| row.lineage = lineage);
                    }
                    Ok(is_kept)
                }
                Fault::RotatesInTwoSteps if rotation.lineage.is_some() => {
                    let had_ended = self.row(family, |row| std::mem::replace(&mut row.has_ended, true));
                    yield_now().await;
                    self.row(family, |row| row.has_ended = had_ended == Some(true));
                    Ok(self.rotate_now(rotation))
                }
                Fault::OverwritesEveryEnd | Fault::OverwritesTheEndOfSubjects => {
                    let had_ended = self.row(family, |row| row.has_ended);
                    for _ in 0..20 {
                        yield_now().await;
                    }
                    if !self.firm.lock().unwrap().contains(&family) {
                        self.row(family, |row| row.has_ended = had_ended == Some(true));
                    }
                    Ok(self.rotate_now(rotation))
                }
                _ => Ok(self.rotate_now(rotation)),
            }
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        let Some(row) = self.row(family, |row| row.clone()) else {
            return Ok(self.fault == Fault::RevokesUnknownFamilies);
        };
        if self.fault == Fault::RevokesInTwoSteps {
            yield_now().await;
        }
        if self.fault != Fault::OverwritesEveryEnd {
            self.firm.lock().unwrap().insert(family);
        }
        let mut rows = self.store.lock();
        let ended = match self.fault {
            Fault::RevokesTheWholeSubject => {
                reference::end(&mut rows, |other| other.facts.subject_id() == row.facts.subject_id()) > 0
            }
            _ => reference::end(&mut rows, |other| other.facts.id() == family) == 1,
        };
        Ok(match self.fault {
            Fault::RevokesTwice => true,
            Fault::RevokesInTwoSteps => !row.has_ended,
            _ => ended,
        })
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let fault = self.fault;
        let is_meant = |row: &Row| {
            let is_realm = match fault {
                Fault::RevokesAnyRealm => true,
                Fault::NoRealmIsEmptyRealm => row.facts.realm().unwrap_or("") == realm.unwrap_or(""),
                _ => row.facts.realm() == realm,
            };
            let is_subject = match fault {
                Fault::RevokesAnyCase => row.facts.subject_id().eq_ignore_ascii_case(subject),
                _ => row.facts.subject_id() == subject,
            };
            is_realm && is_subject
        };
        let mut rows = self.store.lock();
        let all = rows.iter().filter(|row| is_meant(row)).count() as u64;
        let ended = reference::end(&mut rows, is_meant);
        Ok(if fault == Fault::CountsEndedFamilies { all } else { ended })
    }
}

#[test]
fn each_broken_refresh_token_store_is_told_which_promise_it_breaks() {
    let mut wrong = Vec::new();
    for (fault, promise) in FAULTS {
        let told = complaint(contract::refresh_token_store(async || contract::two_handles(Broken::new(*fault))));
        if !told.contains(promise) {
            wrong.push(format!("{fault:?}: {told:?} and not {promise:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Handles that lead to different data.
#[test]
fn two_stores_in_place_of_two_handles_are_told_apart() {
    let told = complaint(contract::refresh_token_store(async || [PlainStore::default(), PlainStore::default()]));
    assert!(told.contains("over any handle"), "{told}");
}
