//! Stores of authenticators that break one promise each.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::mfa::FactorUser;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore, MemoryFactors, Removed, SecretDigest,
};
use tower_password_grant::testing::contract;

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    DropsNames,
    DropsWhatIsSealed,
    ListsTheNewestFirst,
    ListsWhatIsOver,
    DropsCodes,
    EnrolsBesideAFactor,
    ConfirmsBesideAFactor,
    ConfirmsTwice,
    ConfirmsWhatIsOver,
    RemovesBesideAFactor,
    RemovesWhatItSawAlone,
    RemovesTwice,
    KeepsTheRemoved,
    KeepsAll,
    SpendsAnyStep,
    SpendsWhatIsNotThere,
    SpendsInTwoSteps,
    SwapsTwice,
    SwapsInTwoSteps,
    LosesTheNewCode,
    AnyRealm,
    NoRealmIsEmptyRealm,
    JoinsRealmAndSubject,
    AnyCase,
}

const FAULTS: &[(Fault, &str)] = &[
    (Fault::DropsNames, "`list` gives the name as it was, and none is not an empty one"),
    (Fault::DropsWhatIsSealed, "`list` gives what is sealed as it was"),
    (Fault::ListsTheNewestFirst, "what was enrolled waits unconfirmed"),
    (Fault::ListsWhatIsOver, "what waits is over after 24 hours"),
    (Fault::DropsCodes, "the recovery codes of an enrolment count once it is confirmed"),
    (Fault::EnrolsBesideAFactor, "with an active factor no enrolment is the first, and nothing changes"),
    (Fault::ConfirmsBesideAFactor, "with an active factor no `confirm` is the first"),
    (Fault::ConfirmsTwice, "`confirm` is true once for each authenticator"),
    (Fault::ConfirmsWhatIsOver, "`confirm` is false for what is over"),
    (Fault::RemovesBesideAFactor, "with an active factor a password alone removes nothing"),
    (Fault::RemovesWhatItSawAlone, "of a first `confirm` and a removal by a password alone exactly one is done"),
    (Fault::RemovesTwice, "`remove` is unknown for what is not there"),
    (Fault::KeepsTheRemoved, "`remove` is gone once for each authenticator"),
    (Fault::KeepsAll, "nothing is listed after `remove_all`"),
    (Fault::SpendsAnyStep, "`spend_step` is true for a step that is later than all before, and for no other"),
    (Fault::SpendsWhatIsNotThere, "no step of what was removed is spent"),
    (Fault::SpendsInTwoSteps, "of parallel calls of `spend_step` for one step exactly one is true"),
    (Fault::SwapsTwice, "a recovery code counts as soon as it was swapped in"),
    (Fault::SwapsInTwoSteps, "of parallel swaps of one recovery code exactly one is true"),
    (Fault::LosesTheNewCode, "a recovery code counts as soon as it was swapped in"),
    (Fault::AnyRealm, "no user has what another one enrolled"),
    (Fault::NoRealmIsEmptyRealm, "no user has what another one enrolled"),
    (Fault::JoinsRealmAndSubject, "no user has what another one enrolled"),
    (Fault::AnyCase, "no user has what another one enrolled"),
];

/// A user as a broken store knows it.
struct Owner {
    realm: Option<String>,
    subject: String,
}

impl Owner {
    fn user(&self) -> FactorUser<'_> {
        FactorUser::new(self.realm.as_deref(), &self.subject)
    }
}

struct Broken {
    fault: Fault,
    inner: MemoryFactors,
    /// The codes that were swapped, as this store remembers them.
    swapped: Mutex<HashSet<[u8; 32]>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self { fault, inner: MemoryFactors::new(), swapped: Mutex::default() }
    }

    fn owner(&self, user: FactorUser<'_>) -> Owner {
        let (realm, subject) = (user.realm.map(str::to_owned), user.subject.to_owned());
        match self.fault {
            Fault::AnyRealm => Owner { realm: None, subject },
            Fault::NoRealmIsEmptyRealm => Owner { realm: realm.filter(|realm| !realm.is_empty()), subject },
            Fault::JoinsRealmAndSubject => Owner { realm: None, subject: realm.unwrap_or_default() + &subject },
            Fault::AnyCase => Owner { realm, subject: subject.to_lowercase() },
            _ => Owner { realm, subject },
        }
    }

    /// The present as this store knows it.
    fn time(&self, now: SystemTime, fault: Fault) -> SystemTime {
        if self.fault == fault { now - Duration::from_secs(3600) } else { now }
    }

    fn was_swapped(&self, code: &SecretDigest) -> bool {
        self.swapped.lock().unwrap().contains(code.as_bytes())
    }
}

#[async_trait]
impl FactorStore for Broken {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        let now = self.time(now, Fault::ListsWhatIsOver);
        let mut found = self.inner.list(self.owner(user).user(), now).await?;
        match self.fault {
            Fault::DropsNames => found.iter_mut().for_each(|kept| kept.name = None),
            Fault::DropsWhatIsSealed => found.iter_mut().for_each(|kept| kept.sealed.clear()),
            Fault::ListsTheNewestFirst => found.reverse(),
            _ => {}
        }
        Ok(found)
    }

    async fn enrol(
        &self,
        user: FactorUser<'_>,
        mut enrolment: Enrolment,
        now: SystemTime,
    ) -> Result<Enrolled, BackendError> {
        match self.fault {
            Fault::DropsCodes => enrolment.recovery.iter_mut().for_each(|codes| codes.digests.clear()),
            Fault::EnrolsBesideAFactor => enrolment.if_no_factor = false,
            _ => {}
        }
        self.inner.enrol(self.owner(user).user(), enrolment, now).await
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        let if_no_factor = if_no_factor && self.fault != Fault::ConfirmsBesideAFactor;
        let now = self.time(now, Fault::ConfirmsWhatIsOver);
        let confirmed = self.inner.confirm(self.owner(user).user(), id, if_no_factor, now).await?;
        let listed = self.inner.list(self.owner(user).user(), now).await?;
        let is_active = listed.iter().any(|kept| kept.id == *id && kept.is_active);
        Ok(confirmed || (self.fault == Fault::ConfirmsTwice && is_active))
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        let owner = self.owner(user);
        let listed = self.inner.list(owner.user(), SystemTime::now()).await?;
        match self.fault {
            Fault::KeepsTheRemoved if !if_no_factor => {
                let is_there = listed.iter().any(|kept| kept.id == *id);
                Ok(if is_there { Removed::Gone } else { Removed::Unknown })
            }
            Fault::RemovesTwice => match self.inner.remove(owner.user(), id, if_no_factor).await? {
                Removed::Unknown => Ok(Removed::Gone),
                answer => Ok(answer),
            },
            Fault::RemovesBesideAFactor => self.inner.remove(owner.user(), id, false).await,
            Fault::RemovesWhatItSawAlone if if_no_factor && listed.iter().any(Authenticator::is_factor) => {
                Ok(Removed::HasFactor)
            }
            Fault::RemovesWhatItSawAlone => {
                yield_now().await;
                self.inner.remove(owner.user(), id, false).await
            }
            _ => self.inner.remove(owner.user(), id, if_no_factor).await,
        }
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        if self.fault == Fault::KeepsAll { Ok(()) } else { self.inner.remove_all(self.owner(user).user()).await }
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        let owner = self.owner(user);
        let listed = self.inner.list(owner.user(), SystemTime::now()).await?;
        let kept = listed.iter().find(|kept| kept.id == *id);
        let seemed_later = kept.is_some_and(|kept| kept.last_step.is_none_or(|last| last < step));
        let is_there = kept.is_some();
        if self.fault == Fault::SpendsInTwoSteps {
            yield_now().await;
        }
        let spent = self.inner.spend_step(owner.user(), id, step).await?;
        Ok(match self.fault {
            Fault::SpendsAnyStep => is_there,
            Fault::SpendsWhatIsNotThere => spent || !is_there,
            Fault::SpendsInTwoSteps => seemed_later,
            _ => spent,
        })
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        let was_swapped = self.was_swapped(old);
        if self.fault == Fault::SwapsInTwoSteps {
            yield_now().await;
        }
        let lost = SecretDigest::of("lost");
        let new = if self.fault == Fault::LosesTheNewCode { &lost } else { new };
        let swapped = self.inner.swap_recovery_code(self.owner(user).user(), old, new).await?;
        let is_new = swapped && self.swapped.lock().unwrap().insert(*old.as_bytes());
        Ok(match self.fault {
            Fault::SwapsTwice => swapped || was_swapped,
            // It had looked before the other one wrote.
            Fault::SwapsInTwoSteps => swapped || (!was_swapped && !is_new && self.was_swapped(old)),
            _ => swapped,
        })
    }
}

/// What these break is seen by calls at once, which a busy machine may run one after the other.
const IN_TWO_STEPS: [Fault; 3] = [Fault::RemovesWhatItSawAlone, Fault::SpendsInTwoSteps, Fault::SwapsInTwoSteps];

#[test]
fn each_broken_store_of_authenticators_is_told_which_promise_it_breaks() {
    let tell = |fault, promise| {
        let goes = if IN_TWO_STEPS.contains(&fault) { 10 } else { 1 };
        let mut told = String::new();
        for _ in 0..goes {
            told = complaint(contract::factor_store(async || contract::two_handles(Broken::new(fault))));
            if told.contains(promise) {
                break;
            }
        }
        told
    };
    let told = FAULTS.iter().map(|(fault, promise)| (fault, promise, tell(*fault, promise)));
    let wrong: Vec<_> = told.filter(|(_, promise, told)| !told.contains(*promise)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
