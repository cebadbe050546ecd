//! Refresh token stores that break one promise each.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::testing::contract;
use tower_password_grant::{
    BackendError, FamilyId, FoundRefreshToken, RefreshFamily, RefreshTokenStore, Rotated, Rotation, SecretDigest,
};

use crate::complaint;
use crate::reference::{Reference, time_between};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    // What is kept.
    BeginsLate,
    DropsCredentialVersion,
    DropsScope,
    EmptyRealmIsNone,
    KeepsWholeSeconds,
    TrimsSubjects,
    ForgetsSpentTokens,
    ForgetsOldGenerations,
    // One call at a time.
    GivesUnknownTokensAFamily,
    UsesDoNotCount,
    OverIsReplayed,
    UsesEndedFamilies,
    LeewayEndsOneMomentEarly,
    LeewayNeverEnds,
    LeewayIsNeverZero,
    LeewayIsFixed,
    LeewayCountsFromTheRequest,
    RepeatsHaveTheirOwnSalt,
    RepeatsMakeSecondLiveToken,
    RepeatsAddTheirSuccessor,
    RepeatsExtendTheLeeway,
    RepeatsKeepTheFamilyAlive,
    WindowStaysOpen,
    ReplayEndsNothing,
    ReplayEndsTheSubject,
    ReplayIsForgotten,
    ReuseEndsTheToken,
    ReuseLeavesTheWindowOpen,
    NoIdleLifetime,
    IdleEndsOneMomentLate,
    NoEnd,
    ClockBackEndsTheWindow,
    ClockBackIsIdle,
    ClockBackOpensTheWindow,
    // Ends.
    RevokesTwice,
    RevokesUnknownFamilies,
    RevokesTheWholeSubject,
    RevokesAnyRealm,
    NoRealmIsEmptyRealm,
    RevokesAnyCase,
    CountsEndedFamilies,
    CrowdsOutTheOldest,
    CrowdsOutTheClient,
    // Races.
    GetsAndThenSets,
    RepeatsOfARaceHaveTheirOwnSalt,
    OverwritesEveryEnd,
    OverwritesTheEndOfSubjects,
    OverwritesReplays,
    RevokesInTwoSteps,
}

/// Each fault with what the suite says of it.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::BeginsLate, "a family is found as soon as it was begun"),
    (Fault::DropsCredentialVersion, "`find` gives the credential version as it was"),
    (Fault::DropsScope, "`find` gives the scope as it was"),
    (Fault::EmptyRealmIsNone, "`find` gives the realm as it was, and none is not an empty one"),
    (Fault::KeepsWholeSeconds, "`find` gives the time of the authentication to the millisecond"),
    (Fault::TrimsSubjects, "`find` gives the subject as it was"),
    (Fault::ForgetsSpentTokens, "the one before is its predecessor, and all others are spent"),
    (Fault::ForgetsOldGenerations, "the tokens of a family are found however often it was rotated"),
    (Fault::GivesUnknownTokensAFamily, "a token that was never given is `Gone`"),
    (Fault::UsesDoNotCount, "a family was last used when its live token was"),
    (Fault::OverIsReplayed, "each token of a family that is over is `Gone`"),
    (Fault::UsesEndedFamilies, "each token of a family that was revoked is `Gone`"),
    (Fault::LeewayEndsOneMomentEarly, "until exactly the leeway after its first use"),
    (Fault::LeewayNeverEnds, "and `Replayed` after that"),
    (Fault::LeewayIsNeverZero, "without leeway the first repeat is `Replayed`"),
    (Fault::LeewayCountsFromTheRequest, "the leeway counts from the instant that the rotation says to keep as the use"),
    (Fault::LeewayIsFixed, "the leeway that counts is that of the rotation"),
    (Fault::RepeatsHaveTheirOwnSalt, "with the salt of its successor"),
    (Fault::RepeatsMakeSecondLiveToken, "the predecessor is `Repeated` until exactly the leeway"),
    (Fault::RepeatsAddTheirSuccessor, "a repeat adds no token"),
    (Fault::RepeatsExtendTheLeeway, "a repeat does not extend the leeway"),
    (Fault::RepeatsKeepTheFamilyAlive, "does not count as a use of the family"),
    (Fault::WindowStaysOpen, "the first use of the successor closes the window of its predecessor"),
    (Fault::ReplayEndsNothing, "without leeway the first repeat ends the family"),
    (Fault::ReplayEndsTheSubject, "a replay ends the family of the token and no other"),
    (Fault::ReplayIsForgotten, "a family that a replay ended has ended"),
    (Fault::ReuseEndsTheToken, "a use without a successor keeps the token and counts as a use"),
    (Fault::ReuseLeavesTheWindowOpen, "a use without a successor closes the window of the predecessor, too"),
    (Fault::NoIdleLifetime, "each token of a family that is over is `Gone`"),
    (Fault::IdleEndsOneMomentLate, "each token of a family that is over is `Gone`"),
    (Fault::NoEnd, "no rotation moves the end of a family"),
    (Fault::ClockBackEndsTheWindow, "a clock that went back counts as no time"),
    (Fault::ClockBackIsIdle, "a clock that went back counts as no time"),
    (Fault::ClockBackOpensTheWindow, "by a clock that went back by more than 60 seconds"),
    (Fault::RevokesTwice, "`revoke_family` is true once for each family"),
    (Fault::RevokesUnknownFamilies, "`revoke_family` is false for a family that never was"),
    (Fault::RevokesTheWholeSubject, "`revoke_family` ends no other family of the subject"),
    (Fault::RevokesAnyRealm, "how many families of exactly this subject and realm it ended"),
    (Fault::NoRealmIsEmptyRealm, "and no realm is not an empty one"),
    (Fault::RevokesAnyCase, "how many families of exactly this subject and realm it ended"),
    (Fault::CountsEndedFamilies, "`revoke_subject` counts no family twice"),
    (Fault::CrowdsOutTheOldest, "logins of a subject end none of another subject, realm or client"),
    (Fault::CrowdsOutTheClient, "logins of a subject end none of another subject, realm or client"),
    (Fault::GetsAndThenSets, "of parallel uses of one token exactly one is `Done`"),
    (Fault::RepeatsOfARaceHaveTheirOwnSalt, "with the salt of the one that is `Done`"),
    (Fault::OverwritesEveryEnd, "no token of a family counts after it was ended, even if it was rotated"),
    (Fault::OverwritesTheEndOfSubjects, "no token of a family counts after it was ended, even if it was rotated"),
    (Fault::OverwritesReplays, "no token of a family counts after it was ended, even if it was rotated"),
    (Fault::RevokesInTwoSteps, "of parallel calls of `revoke_family` exactly one ended the family"),
];

/// The reference with a fault.
struct Broken {
    fault: Fault,
    model: Mutex<Reference>,
    late: Mutex<Vec<(RefreshFamily, SecretDigest, SystemTime)>>,
    /// The families whose end is not overwritten.
    firm: Mutex<HashSet<FamilyId>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { fault, model: Mutex::default(), late: Mutex::default(), firm: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Reference> {
        self.model.lock().unwrap()
    }

    /// The family as this store keeps it.
    fn kept(&self, given: RefreshFamily) -> RefreshFamily {
        let seconds = |time: SystemTime| UNIX_EPOCH + Duration::from_secs(time_between(UNIX_EPOCH, time).as_secs());
        let copy = |subject: &str, from: SystemTime, until: SystemTime| {
            RefreshFamily::new(given.id(), subject, given.client().clone(), from, until)
                .with_realm(given.realm())
                .with_scope(given.scope().clone())
                .with_grant_type(given.grant_type())
                .with_credential_version(given.credential_version())
        };
        match self.fault {
            Fault::DropsCredentialVersion => given.with_credential_version(None),
            Fault::DropsScope => given.with_scope("a".parse().unwrap()),
            Fault::EmptyRealmIsNone if given.realm() == Some("") => given.with_realm(None),
            Fault::KeepsWholeSeconds => {
                copy(given.subject(), seconds(given.authenticated_at()), seconds(given.expires()))
            }
            Fault::TrimsSubjects => copy(given.subject().trim(), given.authenticated_at(), given.expires()),
            _ => given,
        }
    }

    /// The rotation as this store reads it.
    fn read(&self, rotation: Rotation, model: &mut Reference) -> Rotation {
        let moment = Duration::from_millis(1);
        let (leeway, idle) = (rotation.leeway(), rotation.idle_lifetime());
        match self.fault {
            Fault::LeewayEndsOneMomentEarly => rotation.with_leeway(leeway.saturating_sub(moment)),
            Fault::LeewayNeverEnds if !leeway.is_zero() => rotation.with_leeway(Duration::MAX),
            Fault::LeewayIsNeverZero => rotation.with_leeway(leeway.max(moment)),
            Fault::LeewayIsFixed if !leeway.is_zero() => rotation.with_leeway(Duration::from_secs(10)),
            Fault::LeewayCountsFromTheRequest => {
                let came = rotation.now();
                rotation.with_used(came)
            }
            Fault::NoIdleLifetime => rotation.with_idle_lifetime(Duration::MAX),
            Fault::IdleEndsOneMomentLate => rotation.with_idle_lifetime(idle.saturating_add(moment)),
            Fault::NoEnd => match model.line(rotation.presented()).map(|line| line.facts.expires()) {
                Some(end) if rotation.now() >= end && idle == Duration::MAX => {
                    let early = Rotation::new(rotation.presented().clone(), end - moment);
                    rotation.successor().map_or(early.clone(), |(next, salt)| early.with_successor(next.clone(), *salt))
                }
                _ => rotation,
            },
            _ => rotation,
        }
    }

    /// What this store answers before it looks any further.
    fn before(&self, rotation: &Rotation, model: &mut Reference) -> Option<Rotated> {
        let line = model.line(rotation.presented());
        let Some(line) = line else {
            return (self.fault == Fault::GivesUnknownTokensAFamily).then_some(Rotated::Replayed);
        };
        let age = line.age(rotation.presented().as_bytes())?;
        let went_back = rotation.now() < line.last_used;
        match self.fault {
            Fault::OverIsReplayed if age > 1 => Some(Rotated::Replayed),
            Fault::UsesEndedFamilies if age == 0 => {
                line.has_ended = false;
                None
            }
            Fault::WindowStaysOpen if age == 2 && !rotation.leeway().is_zero() => {
                let (used, salt) = line.uses[line.uses.len() - 2];
                let is_within = time_between(used, rotation.now()) <= rotation.leeway();
                is_within.then_some(Rotated::repeated(salt)).filter(|_| !line.has_ended)
            }
            Fault::ClockBackEndsTheWindow if went_back && age == 1 && !line.has_ended => {
                line.has_ended = true;
                Some(Rotated::Replayed)
            }
            Fault::ClockBackOpensTheWindow if went_back && age == 1 && !line.has_ended => {
                let (_, salt) = line.uses.last()?;
                Some(Rotated::repeated(*salt)).filter(|_| !rotation.leeway().is_zero())
            }
            Fault::ClockBackIsIdle if went_back => Some(Rotated::Gone),
            Fault::ReuseEndsTheToken if rotation.successor().is_none() => {
                line.has_ended = true;
                Some(Rotated::Done)
            }
            _ => None,
        }
    }

    /// What this store does after it decided.
    fn after(&self, rotation: &Rotation, rotated: Rotated, model: &mut Reference) -> Rotated {
        let Some(line) = model.line(rotation.presented()) else { return rotated };
        let (facts, proposed) = (line.facts.clone(), rotation.successor().map(|(next, salt)| (next.clone(), *salt)));
        match (self.fault, rotated) {
            (Fault::UsesDoNotCount, Rotated::Done) => line.last_used = facts.authenticated_at(),
            (Fault::ForgetsSpentTokens, Rotated::Done) if line.tokens.len() > 2 => {
                line.tokens.remove(0);
            }
            (Fault::ForgetsOldGenerations, Rotated::Done) if line.tokens.len() > 1_000 => {
                line.tokens.remove(0);
            }
            (Fault::RepeatsHaveTheirOwnSalt, Rotated::Repeated { .. }) => {
                return Rotated::repeated(proposed.unwrap().1);
            }
            (Fault::RepeatsMakeSecondLiveToken, Rotated::Repeated { .. }) => {
                model.begin(facts, &proposed.unwrap().0, rotation.now());
                return Rotated::Done;
            }
            (Fault::RepeatsAddTheirSuccessor, Rotated::Repeated { .. }) => {
                model.begin(facts, &proposed.unwrap().0, rotation.now());
            }
            (Fault::RepeatsExtendTheLeeway, Rotated::Repeated { .. }) => {
                line.uses.last_mut().unwrap().0 = rotation.now();
            }
            (Fault::RepeatsKeepTheFamilyAlive, Rotated::Repeated { .. }) => line.last_used = rotation.now(),
            (Fault::ReplayEndsNothing | Fault::ReplayIsForgotten, Rotated::Replayed) => {
                line.has_ended = false;
                if self.fault == Fault::ReplayIsForgotten {
                    // Its tokens are nobody's, but the family lives.
                    line.tokens.clear();
                }
            }
            (Fault::ReplayEndsTheSubject, Rotated::Replayed) => {
                model.end(|line| line.facts.subject() == facts.subject());
            }
            (Fault::ReuseLeavesTheWindowOpen, Rotated::Done) => line.last_token_was_used = false,
            _ => {}
        }
        rotated
    }

    fn rotate_now(&self, rotation: Rotation) -> Rotated {
        let mut model = self.lock();
        let rotation = self.read(rotation, &mut model);
        if let Some(answer) = self.before(&rotation, &mut model) {
            return answer;
        }
        let rotated = model.rotate(&rotation);
        self.after(&rotation, rotated, &mut model)
    }

    fn has_ended(&self, token: &SecretDigest) -> bool {
        self.lock().line(token).is_some_and(|line| line.has_ended)
    }
}

#[async_trait]
impl RefreshTokenStore for Broken {
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError> {
        let family = self.kept(family);
        let is_crowded_by = |line: &&mut crate::reference::Line| match self.fault {
            Fault::CrowdsOutTheOldest => !line.has_ended,
            Fault::CrowdsOutTheClient => !line.has_ended && line.facts.subject() == family.subject(),
            _ => false,
        };
        {
            let mut model = self.lock();
            let mut crowded: Vec<_> = model.lines.iter_mut().filter(is_crowded_by).collect();
            let excess = (crowded.len() + 1).saturating_sub(100);
            crowded.iter_mut().take(excess).for_each(|line| line.has_ended = true);
        }
        if self.fault == Fault::BeginsLate {
            let late = std::mem::replace(&mut *self.late.lock().unwrap(), vec![(family, token, now)]);
            late.into_iter().for_each(|(family, token, now)| self.lock().begin(family, &token, now));
        } else {
            self.lock().begin(family, &token, now);
        }
        Ok(())
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        Ok(self.lock().find(token))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        let token = rotation.presented().clone();
        match self.fault {
            Fault::GetsAndThenSets => {
                let mut before = self.lock().line(&token).cloned();
                yield_now().await;
                let mut model = self.lock();
                if let (Some(line), Some(before)) = (model.line(&token), before.take()) {
                    *line = before;
                }
                Ok(model.rotate(&rotation))
            }
            Fault::RepeatsOfARaceHaveTheirOwnSalt => {
                let was_live = self.lock().line(&token).is_some_and(|line| line.age(token.as_bytes()) == Some(0));
                yield_now().await;
                Ok(match self.lock().rotate(&rotation) {
                    Rotated::Repeated { .. } if was_live => Rotated::repeated(*rotation.successor().unwrap().1),
                    rotated => rotated,
                })
            }
            Fault::OverwritesEveryEnd | Fault::OverwritesTheEndOfSubjects | Fault::OverwritesReplays => {
                let had_ended = self.has_ended(&token);
                yield_now().await;
                let mut model = self.lock();
                if let Some(line) = model.line(&token)
                    && line.age(token.as_bytes()) == Some(0)
                    && !self.firm.lock().unwrap().contains(&line.facts.id())
                {
                    line.has_ended = had_ended;
                }
                Ok(model.rotate(&rotation))
            }
            _ => Ok(self.rotate_now(rotation)),
        }
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        let subject = self.lock().lines.iter().find(|line| line.facts.id() == family).cloned();
        let Some(line) = subject else { return Ok(self.fault == Fault::RevokesUnknownFamilies) };
        if self.fault == Fault::RevokesInTwoSteps {
            yield_now().await;
        }
        let mut model = self.lock();
        if self.fault != Fault::OverwritesEveryEnd {
            self.firm.lock().unwrap().insert(family);
        }
        let ended = match self.fault {
            Fault::RevokesTheWholeSubject => model.end(|other| other.facts.subject() == line.facts.subject()) > 0,
            _ => model.end(|other| other.facts.id() == family) == 1,
        };
        Ok(match self.fault {
            Fault::RevokesTwice => true,
            Fault::RevokesInTwoSteps => !line.has_ended,
            _ => ended,
        })
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let fault = self.fault;
        let is_meant = |line: &crate::reference::Line| {
            let is_realm = match fault {
                Fault::RevokesAnyRealm => true,
                Fault::NoRealmIsEmptyRealm => line.facts.realm().unwrap_or("") == realm.unwrap_or(""),
                _ => line.facts.realm() == realm,
            };
            let is_subject = match fault {
                Fault::RevokesAnyCase => line.facts.subject().eq_ignore_ascii_case(subject),
                _ => line.facts.subject() == subject,
            };
            is_realm && is_subject
        };
        let mut model = self.lock();
        if fault == Fault::OverwritesReplays {
            let theirs = model.lines.iter().filter(|line| is_meant(line)).map(|line| line.facts.id());
            self.firm.lock().unwrap().extend(theirs);
        }
        let all = model.lines.iter().filter(|line| is_meant(line)).count() as u64;
        let ended = model.end(is_meant);
        Ok(if fault == Fault::CountsEndedFamilies { all } else { ended })
    }
}

#[test]
fn each_broken_refresh_token_store_is_told_which_promise_it_breaks() {
    let mut wrong = Vec::new();
    for (fault, promise) in FAULTS {
        let told = complaint(contract::refresh_token_store(async || Broken::new(*fault)));
        if !told.contains(promise) {
            wrong.push(format!("{fault:?}: {told:?} and not {promise:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
