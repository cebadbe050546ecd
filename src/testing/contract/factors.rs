//! The promises of a [`FactorStore`], one call after the other.

use std::sync::Arc;
use std::time::SystemTime;

use super::promise::{
    Handles, answer, earlier, is_same_time, later, made, must, must_be, new_bytes, new_digest, new_name, present,
};
use super::refresh_ends::neighbours;
use super::refresh_facts::ODD_TEXTS;
use crate::boundary::factors::store::FactorStore;
use crate::protocol::factor::authenticator::AuthenticatorKind::{OutOfBand, RecoveryCodes as Codes};
use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, AuthenticatorKind, Channel, ENROLMENT, Enrolled, Enrolment, FactorUser,
    MOST_AUTHENTICATORS, RecoveryCodes, Removed,
};
use crate::protocol::secret::secrets::SecretDigest;

const DAY: u64 = ENROLMENT.as_millis() as u64;
const MINUTE: u64 = 60_000;

/// Beyond 32 bits.
const STEP: u64 = 1 << 33;
const BEFORE: u64 = STEP - 1;
const NEXT: u64 = STEP + 1;
const LONG_AGO: u64 = 7;

/// A user of a store of two handles.
#[derive(Clone)]
pub(super) struct Scene {
    handles: Handles<Arc<dyn FactorStore>>,
    realm: Option<String>,
    subject: String,
    pub(super) start: SystemTime,
}

/// An enrolment that a store was asked for.
#[derive(Clone)]
pub(super) struct Begun {
    pub(super) id: AuthenticatorId,
    pub(super) codes: Vec<SecretDigest>,
    pub(super) answer: Enrolled,
}

pub(super) fn authenticator(kind: AuthenticatorKind, created: SystemTime) -> Authenticator {
    let id = made(AuthenticatorId::random(kind));
    Authenticator::new(id, kind, Some("XXXXXXXX0199".to_owned()), new_bytes().to_vec(), created)
}

impl Scene {
    /// A new user.
    pub(super) fn new(handles: [Arc<dyn FactorStore>; 2]) -> Self {
        let (handles, subject) = (Handles::new(handles), new_name("subject"));
        // A time that no store can keep exactly in seconds.
        Self { handles, realm: None, subject, start: later(present(), 789) }
    }

    /// Another user of the same store.
    pub(super) fn of(&self, realm: Option<&str>, subject: &str) -> Self {
        Self { realm: realm.map(str::to_owned), subject: subject.to_owned(), ..self.clone() }
    }

    pub(super) fn another(&self) -> Self {
        self.of(None, &new_name("subject"))
    }

    pub(super) fn store(&self, number: usize) -> &dyn FactorStore {
        &**self.handles.get(number)
    }

    pub(super) fn user(&self) -> FactorUser<'_> {
        FactorUser::new(self.realm.as_deref(), &self.subject)
    }

    pub(super) async fn list(&self) -> Vec<Authenticator> {
        self.list_at(self.start).await
    }

    async fn list_at(&self, now: SystemTime) -> Vec<Authenticator> {
        answer(self.store(0).list(self.user(), now).await)
    }

    pub(super) async fn ids(&self) -> Vec<AuthenticatorId> {
        self.list().await.into_iter().map(|kept| kept.id).collect()
    }

    /// Asks for an enrolment of an authenticator app with so many recovery codes; none without any.
    pub(super) async fn enrol_by(&self, number: usize, codes: usize, if_no_factor: bool) -> Begun {
        let new = authenticator(AuthenticatorKind::Otp, self.start);
        let (id, codes): (_, Vec<_>) = (new.id.clone(), (0..codes).map(|_| new_digest()).collect());
        let recovery = RecoveryCodes::new(authenticator(Codes, self.start), codes.clone());
        let recovery = Some(recovery).filter(|_| !codes.is_empty());
        let enrolment = Enrolment::new(new, recovery, if_no_factor);
        let answer = answer(self.store(number).enrol(self.user(), enrolment, self.start).await);
        Begun { id, codes, answer }
    }

    pub(super) async fn begin(&self, codes: usize) -> Begun {
        let begun = self.enrol_by(0, codes, false).await;
        must_be(begun.answer, Enrolled::Begun, "an enrolment begins where nothing is in its way");
        begun
    }

    pub(super) async fn confirm_by(&self, number: usize, id: &AuthenticatorId, if_no_factor: bool) -> bool {
        answer(self.store(number).confirm(self.user(), id, if_no_factor, self.start).await)
    }

    /// A user's active authenticator.
    pub(super) async fn active(&self, codes: usize) -> Begun {
        let begun = self.begin(codes).await;
        must(self.confirm_by(1, &begun.id, false).await, "`confirm` is true for what waits");
        begun
    }

    pub(super) async fn remove_by(&self, number: usize, id: &AuthenticatorId, if_no_factor: bool) -> Removed {
        answer(self.store(number).remove(self.user(), id, if_no_factor).await)
    }

    pub(super) async fn spend_by(&self, number: usize, id: &AuthenticatorId, step: u64) -> bool {
        answer(self.store(number).spend_step(self.user(), id, step).await)
    }

    pub(super) async fn swap_by(&self, number: usize, old: &SecretDigest, new: &SecretDigest) -> bool {
        answer(self.store(number).swap_recovery_code(self.user(), old, new).await)
    }

    /// Whether a recovery code counts. Afterwards it counts as before.
    pub(super) async fn counts(&self, code: &SecretDigest) -> bool {
        let other = new_digest();
        let counted = self.swap_by(0, code, &other).await;
        if counted {
            must(self.swap_by(1, &other, code).await, "a recovery code counts as soon as it was swapped in");
        }
        counted
    }

    pub(super) async fn must_count(&self, codes: &[SecretDigest], counts: bool, promise: &str) {
        for code in codes {
            must_be(self.counts(code).await, counts, promise);
        }
    }
}

fn must_be_same(found: &Authenticator, given: &Authenticator) {
    must_be(&found.id, &given.id, "`list` gives the identifier as it was");
    must_be(found.kind, given.kind, "`list` gives the kind as it was");
    must_be(&found.name, &given.name, "`list` gives the name as it was, and none is not an empty one");
    must_be(&found.sealed, &given.sealed, "`list` gives what is sealed as it was");
    must(is_same_time(found.created, given.created), "`list` gives the time of the enrolment to the millisecond");
}

/// Authenticators of all kinds and odd users, and what is sealed in all lengths.
pub(super) async fn facts(scene: Scene) {
    must(scene.list().await.is_empty(), "a user without authenticators has none");
    let kinds = Channel::ALL.map(OutOfBand).into_iter().chain([AuthenticatorKind::Otp]);
    for (number, text) in ODD_TEXTS.into_iter().enumerate() {
        let odd = scene.of(Some(text), &format!("{}{text}", new_name("odd")));
        let mut given = Vec::new();
        for kind in kinds.clone() {
            let name = Some(text.to_owned()).filter(|_| number.is_multiple_of(2));
            let sealed = new_bytes().repeat(number.saturating_mul(4));
            let new = Authenticator { name, sealed, ..authenticator(kind, odd.start) };
            let enrolment = Enrolment::new(new.clone(), None, false);
            let enrolled = answer(odd.store(0).enrol(odd.user(), enrolment, odd.start).await);
            must_be(enrolled, Enrolled::Begun, "an enrolment begins where nothing is in its way");
            let found = odd.list().await;
            let waiting = found.last().filter(|kept| kept.id == new.id);
            must(waiting.is_some_and(|kept| !kept.is_active), "what was enrolled waits unconfirmed");
            must(odd.confirm_by(1, &new.id, false).await, "`confirm` is true for what waits");
            given.push(new);
        }
        let found = odd.list().await;
        must_be(found.len(), given.len(), "all authenticators of a user are listed");
        for (found, given) in found.iter().zip(&given) {
            must_be(&found.id, &given.id, "the oldest authenticator is listed first");
            must_be_same(found, given);
            must(found.is_active, "what was confirmed is listed as active");
            must_be(found.last_step, None, "no step is spent before `spend_step`");
        }
    }
}

pub(super) async fn enrolments(scene: Scene) {
    let first = scene.enrol_by(0, 3, true).await;
    let second = scene.enrol_by(1, 2, true).await;
    let promise = "an enrolment takes the place of what waits unconfirmed";
    must_be((first.answer, second.answer), (Enrolled::Begun, Enrolled::Begun), promise);
    must(!scene.ids().await.contains(&first.id), promise);
    must_be(scene.list().await.len(), 2, promise);
    must(!scene.confirm_by(0, &first.id, true).await, promise);
    scene.must_count(&second.codes, false, "no recovery code counts before its enrolment is confirmed").await;
    must(scene.confirm_by(1, &second.id, true).await, "`confirm` is true for what waits");
    scene.must_count(&first.codes, false, "the recovery codes of an enrolment go with it").await;
    scene.must_count(&second.codes, true, "the recovery codes of an enrolment count once it is confirmed").await;

    let before = scene.ids().await;
    let waiting = scene.begin(0).await;
    let promise = "with an active factor no enrolment is the first, and nothing changes";
    must_be(scene.enrol_by(0, 2, true).await.answer, Enrolled::HasFactor, promise);
    let with_waiting: Vec<_> = before.iter().cloned().chain([waiting.id.clone()]).collect();
    must_be(scene.ids().await, with_waiting, promise);
    must(!scene.confirm_by(0, &waiting.id, true).await, "with an active factor no `confirm` is the first");
    must(scene.list().await.iter().any(|kept| kept.id == waiting.id && !kept.is_active), promise);
    must(scene.confirm_by(0, &waiting.id, false).await, "`confirm` adds a factor where it need not be the first");

    let other = scene.another();
    must_be(other.enrol_by(0, 1, true).await.answer, Enrolled::Begun, "another user's factors are in nobody's way");
}

pub(super) async fn confirmations(scene: Scene) {
    let begun = scene.begin(2).await;
    let codes = scene.ids().await.into_iter().find(|id| *id != begun.id);
    let Some(codes) = codes else { return must(false, "the recovery codes of an enrolment are listed") };
    must(!scene.confirm_by(0, &codes, false).await, "recovery codes are confirmed with a factor, never alone");
    let unknown = authenticator(AuthenticatorKind::Otp, scene.start).id;
    must(!scene.confirm_by(0, &unknown, false).await, "`confirm` is false for what is not there");
    must(scene.confirm_by(1, &begun.id, true).await, "`confirm` is true for what waits");
    must(!scene.confirm_by(0, &begun.id, false).await, "`confirm` is true once for each authenticator");
    must(scene.list().await.iter().all(|kept| kept.is_active), "the recovery codes become active with their factor");

    let second = scene.active(3).await;
    scene.must_count(&begun.codes, true, "recovery codes that are active go on to count").await;
    scene.must_count(&second.codes, false, "recovery codes are dropped where others are active").await;
    must_be(scene.list().await.len(), 3, "recovery codes are dropped where others are active");
}

/// An enrolment that nobody confirms.
pub(super) async fn over(scene: Scene) {
    let enrol = async |scene: &Scene, created: SystemTime| {
        let new = authenticator(AuthenticatorKind::Otp, created);
        let recovery = RecoveryCodes::new(authenticator(Codes, created), vec![new_digest()]);
        let enrolment = Enrolment::new(new.clone(), Some(recovery), true);
        answer(scene.store(0).enrol(scene.user(), enrolment, scene.start).await);
        new.id
    };
    let id = enrol(&scene, later(earlier(scene.start, DAY), MINUTE)).await;
    must_be(scene.list().await.len(), 2, "what waits is listed for 24 hours");
    let end = later(scene.start, MINUTE);
    must(scene.list_at(end).await.is_empty(), "what waits is over after 24 hours");
    must(!answer(scene.store(1).confirm(scene.user(), &id, true, end).await), "`confirm` is false for what is over");
    let id = enrol(&scene, scene.start).await;
    must(answer(scene.store(1).confirm(scene.user(), &id, true, end).await), "`confirm` is true for what waits");
    let far = later(scene.start, DAY.saturating_mul(10_000));
    must_be(scene.list_at(far).await.len(), 2, "what is active is never over");
}

pub(super) async fn bound(scene: Scene) {
    let mut ids = Vec::new();
    for _ in 1..MOST_AUTHENTICATORS {
        ids.push(scene.active(0).await.id);
    }
    let promise = "a user has 16 authenticators at most, the recovery codes and those that wait among them";
    must_be(scene.enrol_by(0, 1, false).await.answer, Enrolled::TooMany, promise);
    for _ in 0..2 {
        // The second takes the place of the first.
        must_be(scene.enrol_by(1, 0, false).await.answer, Enrolled::Begun, promise);
    }
    ids.push(scene.active(0).await.id);
    must_be(scene.enrol_by(0, 0, false).await.answer, Enrolled::TooMany, promise);
    must_be(scene.ids().await, ids, "an enrolment that is one too many changes nothing");
}

pub(super) async fn removals(scene: Scene) {
    let (first, second, waiting) = (scene.active(3).await, scene.active(0).await, scene.begin(0).await);
    let unknown = authenticator(AuthenticatorKind::Otp, scene.start).id;
    let promise = "with an active factor a password alone removes nothing";
    for id in [&first.id, &waiting.id, &unknown] {
        must_be(scene.remove_by(0, id, true).await, Removed::HasFactor, promise);
    }
    for id in [&first.id, &waiting.id] {
        must(scene.ids().await.contains(id), promise);
    }
    must_be(scene.remove_by(0, &unknown, false).await, Removed::Unknown, "`remove` is unknown for what is not there");
    must_be(scene.remove_by(0, &first.id, false).await, Removed::Gone, "`remove` is gone for what is there");
    let promise = "`remove` is gone once for each authenticator";
    must_be(scene.remove_by(1, &first.id, false).await, Removed::Unknown, promise);
    must(!scene.ids().await.contains(&first.id), "what was removed is not listed");
    must(!scene.spend_by(0, &first.id, 1).await, "no step of what was removed is spent");
    scene.must_count(&first.codes, true, "recovery codes count as long as there is an active factor").await;
    must_be(scene.remove_by(1, &second.id, false).await, Removed::Gone, "`remove` is gone for what is there");
    scene.must_count(&first.codes, false, "the recovery codes go with the last active factor").await;
    must_be(scene.ids().await, vec![waiting.id.clone()], "what waits outlives the last active factor");
    must(scene.confirm_by(0, &waiting.id, true).await, "after the last factor was removed another is the first");

    let other = scene.another();
    let begun = other.begin(2).await;
    must_be(other.remove_by(0, &begun.id, true).await, Removed::Gone, "without a factor a password removes what waits");
    must(other.list().await.is_empty(), "the recovery codes of an enrolment go with it");
    let factor = other.active(2).await;
    let listed = other.ids().await.into_iter().find(|id| *id != factor.id);
    let Some(codes) = listed else { return must(false, "the recovery codes of an enrolment are listed") };
    must_be(other.remove_by(1, &codes, false).await, Removed::Gone, "`remove` is gone for recovery codes");
    other.must_count(&factor.codes, false, "no recovery code counts after they were removed").await;
    must_be(other.ids().await, vec![factor.id.clone()], "recovery codes alone can be removed");
    let second = other.active(1).await;
    other.must_count(&second.codes, true, "after recovery codes were removed new ones count").await;
}

pub(super) async fn steps(scene: Scene) {
    let (one, other) = (scene.active(0).await, scene.active(0).await);
    for (spent, is_later) in [(STEP, true), (STEP, false), (LONG_AGO, false), (BEFORE, false), (NEXT, true)] {
        let promise = "`spend_step` is true for a step that is later than all before, and for no other";
        must_be(scene.spend_by(usize::from(is_later), &one.id, spent).await, is_later, promise);
    }
    must(!scene.spend_by(0, &one.id, STEP).await, "a step that was refused moves nothing back");
    must(scene.spend_by(0, &other.id, 1).await, "the steps of another authenticator are its own");
    let last: Vec<_> = scene.list().await.iter().map(|kept| kept.last_step).collect();
    must_be(last, vec![Some(NEXT), Some(1)], "`list` gives the latest step that was spent");
    let unknown = authenticator(AuthenticatorKind::Otp, scene.start).id;
    must(!scene.spend_by(0, &unknown, STEP).await, "no step of what is not there is spent");
    let waiting = scene.begin(0).await;
    must(scene.spend_by(0, &waiting.id, STEP).await, "a step is spent before an enrolment is confirmed");
    must(scene.confirm_by(1, &waiting.id, false).await, "`confirm` is true for what waits");
    must(!scene.spend_by(1, &waiting.id, STEP).await, "a step stays spent when its authenticator becomes active");
    // As with the next login.
    must(scene.spend_by(1, &waiting.id, NEXT).await, "the next step counts after `confirm`");
}

pub(super) async fn recovery_codes(scene: Scene) {
    let begun = scene.active(3).await;
    let [old, kept @ ..] = begun.codes.as_slice() else { return };
    let (new, next) = (new_digest(), new_digest());
    must(!scene.swap_by(0, &new_digest(), &new).await, "`swap_recovery_code` is false for a code that never was");
    must(!scene.counts(&new).await, "a swap that is refused adds no code");
    must(scene.swap_by(0, old, &new).await, "`swap_recovery_code` is true for a code that counts");
    must(!scene.swap_by(1, old, &next).await, "a recovery code counts once");
    must(!scene.counts(&next).await, "a swap that is refused adds no code");
    must(scene.counts(&new).await, "the new recovery code counts");
    scene.must_count(kept, true, "a swap takes no other code").await;
    must(!scene.another().swap_by(0, &new, &next).await, "a recovery code is its user's alone");
    must(scene.swap_by(1, &new, &next).await, "a recovery code that was swapped in is swapped as any");
}

/// Users that a sloppy comparison takes for one.
pub(super) async fn users(scene: Scene) {
    let users: Vec<Scene> =
        neighbours(&new_name("subject")).iter().map(|(realm, subject)| scene.of(realm.as_deref(), subject)).collect();
    let mut living = Vec::new();
    for user in &users {
        must(user.list().await.is_empty(), "no user has what another one enrolled");
        let begun = user.enrol_by(0, 1, true).await;
        must_be(begun.answer, Enrolled::Begun, "another user's factors are in nobody's way");
        must(user.confirm_by(1, &begun.id, true).await, "another user's factors are in nobody's way");
        living.push((user, begun));
    }
    let promise = "no user removes, confirms, spends or swaps what is another's";
    for ((user, own), (other, theirs)) in living.iter().zip(living.iter().cycle().skip(1)) {
        must(!user.spend_by(1, &theirs.id, 9).await && !user.confirm_by(0, &theirs.id, false).await, promise);
        for code in &theirs.codes {
            must(!user.swap_by(0, code, &new_digest()).await, promise);
        }
        let waiting = other.begin(0).await;
        must(!user.confirm_by(0, &waiting.id, false).await, promise);
        must(user.ids().await.contains(&own.id), "no user has what another one enrolled");
    }
    for (user, own) in &living {
        for (_, theirs) in living.iter().filter(|(_, theirs)| theirs.id != own.id) {
            must_be(user.remove_by(0, &theirs.id, false).await, Removed::Unknown, promise);
        }
    }
    while let Some((user, begun)) = living.pop() {
        answer(user.store(0).remove_all(user.user()).await);
        must(user.list().await.is_empty(), "nothing is listed after `remove_all`");
        user.must_count(&begun.codes, false, "no recovery code counts after `remove_all`").await;
        must(!user.spend_by(1, &begun.id, 10).await, "no step is spent after `remove_all`");
        for (other, theirs) in &living {
            must(other.ids().await.contains(&theirs.id), "`remove_all` removes nothing of another user or realm");
        }
        must_be(
            user.enrol_by(1, 0, true).await.answer,
            Enrolled::Begun,
            "after `remove_all` an enrolment is the first",
        );
    }
    answer(scene.store(0).remove_all(scene.user()).await);
}
