//! The promises of a [`RefreshTokenStore`], one call at a time: what is kept is found, and is replaced by nobody who has not
//! seen it.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::promise::{
    Handles, answer, broken, earlier, give_up, later, made, must, must_be, new_bytes, new_digest, new_family_id,
    new_name, present,
};
use crate::boundary::backend::BackendError;
use crate::boundary::refresh::{FamilyStamp, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
use crate::boundary::refresh_use::{Used, use_token};
use crate::protocol::client::registered::ClientId;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::{Decision, Lineage, TokenUse};

/// How long the predecessor may be presented again, in milliseconds.
pub(super) const LEEWAY: u64 = 10_000;
/// How long a family lives, in milliseconds.
const LIFETIME: u64 = 10_000_000;

/// Two handles of a store with nothing of ours in it, and a moment at which everything begins.
pub(super) struct Scene<S> {
    handles: Handles<S>,
    pub(super) start: SystemTime,
}

impl<S> Clone for Scene<S> {
    fn clone(&self) -> Self {
        Self { handles: self.handles.clone(), start: self.start }
    }
}

/// An id that nothing has, with the place that all families of this subject have.
fn new_id_of(subject: &str) -> FamilyId {
    let place = subject.bytes().fold(0_u16, |place, byte| place.rotate_left(5) ^ u16::from(byte));
    let mut id = *new_family_id().as_bytes();
    id.iter_mut().zip(place.to_be_bytes()).for_each(|(byte, of_place)| *byte = of_place);
    FamilyId::from_bytes(id)
}

/// A family and its tokens, oldest first; the last one is live.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) facts: RefreshFamily,
    pub(super) tokens: Vec<SecretDigest>,
}

impl Line {
    pub(super) fn id(&self) -> FamilyId {
        self.facts.id()
    }

    /// The token of this generation.
    pub(super) fn token(&self, generation: usize) -> SecretDigest {
        made(self.tokens.get(generation).cloned().ok_or("no such generation"))
    }

    pub(super) fn live(&self) -> SecretDigest {
        self.token(self.tokens.len().saturating_sub(1))
    }
}

impl<S: RefreshTokenStore> Scene<S> {
    pub(super) fn new(handles: [S; 2]) -> Self {
        Self { handles: Handles::new(handles), start: present() }
    }

    /// The handle that most of a scene uses.
    pub(super) fn store(&self) -> &S {
        self.handle(0)
    }

    /// One of the two handles, by turns.
    pub(super) fn handle(&self, number: usize) -> &S {
        self.handles.get(number)
    }

    /// The start and so many milliseconds.
    pub(super) fn at(&self, millis: u64) -> SystemTime {
        later(self.start, millis)
    }

    /// A family of a new subject, or of this one.
    pub(super) fn family(&self, subject: Option<&str>) -> RefreshFamily {
        self.family_at("app", subject)
    }

    /// The same at this client.
    pub(super) fn family_at(&self, client: &str, subject: Option<&str>) -> RefreshFamily {
        let subject = subject.map_or_else(|| new_name("subject"), str::to_owned);
        let client = made(ClientId::new(client));
        RefreshFamily::new(new_id_of(&subject), subject, client, self.start, self.at(LIFETIME))
    }

    pub(super) async fn begin(&self, facts: RefreshFamily) -> Line {
        self.begin_beside(facts).await.0
    }

    /// The same, with the families that ended for it.
    pub(super) async fn begin_beside(&self, facts: RefreshFamily) -> (Line, Vec<FamilyId>) {
        let first = new_digest();
        let ended = answer(self.try_begin(facts.clone(), Lineage::new(first.clone(), self.start)).await);
        (Line { facts, tokens: vec![first] }, ended)
    }

    pub(super) async fn try_begin(
        &self,
        family: RefreshFamily,
        lineage: Lineage,
    ) -> Result<Vec<FamilyId>, BackendError> {
        self.store().begin(NewFamily { family, lineage, now: self.start, access_token: None }).await
    }

    /// A family whose token was used so many times, at the start.
    pub(super) async fn line(&self, uses: usize) -> Line {
        let mut line = self.begin(self.family(None)).await;
        for _ in 0..uses {
            self.advance(&mut line).await;
        }
        line
    }

    /// A use of this token with a new successor, at the start.
    pub(super) fn using(&self, token: SecretDigest) -> TokenUse {
        TokenUse {
            successor: Some((new_digest(), new_bytes())),
            leeway: Duration::from_millis(LEEWAY),
            ..TokenUse::new(token, self.start)
        }
    }

    /// Uses a token as the endpoint does, over one of the handles.
    pub(super) async fn use_by(&self, handle: usize, id: FamilyId, using: &TokenUse) -> Used {
        let store = self.handle(handle);
        match answer(store.find(id).await) {
            Some(found) => answer(use_token(store, found, using, None).await),
            None => Used::Gone,
        }
    }

    pub(super) async fn present(&self, line: &Line, token: SecretDigest) -> Used {
        self.use_by(0, line.id(), &self.using(token)).await
    }

    /// Uses the live token.
    pub(super) async fn advance(&self, line: &mut Line) {
        let using = self.using(line.live());
        must_be(self.use_by(0, line.id(), &using).await, Used::Done, "the live token can be used");
        line.tokens.extend(using.successor.map(|(digest, _)| digest));
    }

    /// What is found of a family.
    pub(super) async fn found(&self, id: FamilyId, promise: &str) -> StoredFamily {
        let Some(found) = answer(self.store().find(id).await) else { broken(promise) };
        found
    }

    /// What the store makes of a lineage that nobody but this family has, if the stamp is still this one.
    pub(super) async fn swap(&self, id: FamilyId, seen: FamilyStamp, lineage: Option<&Lineage>) -> bool {
        let rotation = Rotation { family: id, seen, lineage: lineage.cloned(), access_token: None };
        answer(self.store().rotate(rotation).await)
    }

    /// That no token of the family is worth anything.
    pub(super) async fn must_be_dead(&self, line: &Line, promise: &str) {
        for (number, token) in line.tokens.iter().enumerate() {
            must_be(self.use_by(number, line.id(), &self.using(token.clone())).await, Used::Gone, promise);
        }
        let found = answer(self.store().find(line.id()).await);
        must(found.is_none_or(|found| found.is_ended), promise);
    }

    pub(super) async fn must_live(&self, line: &Line, promise: &str) {
        let found = answer(self.store().find(line.id()).await);
        let is_live = found.is_some_and(|found| !found.is_ended && found.lineage.is_live(&line.live()));
        must(is_live, promise);
        must_be(self.present(line, line.live()).await, Used::Done, promise);
    }
}

/// A lineage that is in no store yet.
fn new_lineage(scene: &Scene<impl RefreshTokenStore>, millis: u64) -> Lineage {
    let using = TokenUse {
        successor: Some((new_digest(), new_bytes())),
        used: scene.at(millis),
        ..TokenUse::new(new_digest(), scene.at(millis))
    };
    made(Lineage::new(using.presented.clone(), scene.start).after(&using).ok_or("a use with a successor changes it"))
}

pub(super) async fn what_is_not_there<S: RefreshTokenStore>(scene: Scene<S>) {
    let unknown = new_family_id();
    must(answer(scene.store().find(unknown).await).is_none(), "a family that never was is not found");
    let lineage = new_lineage(&scene, 0);
    for stamp in [0, 1, u64::MAX >> 1] {
        let promise = "a rotation of a family that never was is not kept";
        must(!scene.swap(unknown, FamilyStamp::new(stamp), Some(&lineage)).await, promise);
        must(!scene.swap(unknown, FamilyStamp::new(stamp), None).await, promise);
    }
    must(answer(scene.store().find(unknown).await).is_none(), "a rotation begins no family");
    // The place is a part of the id.
    let line = scene.begin(scene.family(None)).await;
    for byte in [0, 1, 2, 15] {
        let mut id = *line.id().as_bytes();
        id.iter_mut().skip(byte).take(1).for_each(|byte| *byte = !*byte);
        let other = FamilyId::from_bytes(id);
        let promise = "a family is found by all bytes of its id";
        must(answer(scene.store().find(other).await).is_none(), promise);
        must(!answer(scene.store().revoke_family(other).await), promise);
    }
    scene.must_live(&line, "a family is found by all bytes of its id").await;
}

pub(super) async fn swaps<S: RefreshTokenStore>(scene: Scene<S>) {
    let id = scene.begin(scene.family(None)).await.id();
    let promise = "a family that was begun is found until it is over";
    let mut stamps = HashSet::new();
    for millis in 0..100 {
        let before = scene.found(id, promise).await;
        must_be(scene.found(id, promise).await.stamp, before.stamp, "`find` changes nothing, the stamp neither");
        must(stamps.insert(before.stamp), "a new lineage gives the family a stamp that it never had before");
        let (kept, refused) = (new_lineage(&scene, millis), new_lineage(&scene, millis.saturating_add(1)));
        must(scene.swap(id, before.stamp, Some(&kept)).await, "a rotation with the stamp that was seen is kept");
        let promise = "a rotation with the stamp of an earlier state is refused, and nothing of it is kept";
        must(!scene.swap(id, before.stamp, Some(&refused)).await, promise);
        must(!scene.swap(id, before.stamp, None).await, promise);
        let after = scene.found(id, promise).await;
        must(after.lineage.to_bytes() != refused.to_bytes(), promise);
        must_be(after.lineage.to_bytes(), kept.to_bytes(), "`find` gives the last lineage that was kept, whole");
        must(after.stamp != before.stamp, "a new lineage gives the family a stamp that it never had before");
        let promise = "a rotation without a new lineage is true and leaves the lineage and its stamp as they are";
        must(scene.swap(id, after.stamp, None).await, promise);
        let same = scene.found(id, promise).await;
        must_be((same.stamp, same.lineage.to_bytes()), (after.stamp, after.lineage.to_bytes()), promise);
        must(!same.is_ended, "no rotation ends a family");
    }
}

/// Nobody may be told that a family was begun whose id is another's.
pub(super) async fn begun_twice<S: RefreshTokenStore>(scene: Scene<S>) {
    let line = scene.line(1).await;
    let other = RefreshFamily::new(line.id(), new_name("other"), made(ClientId::new("web")), scene.start, scene.at(9));
    let promise = "a family with the id of another is an error, and the other stays as it is";
    must(scene.try_begin(other, Lineage::new(new_digest(), scene.start)).await.is_err(), promise);
    must_be(scene.found(line.id(), promise).await.family.subject_id(), line.facts.subject_id(), promise);
    scene.must_live(&line, promise).await;
}

/// Clocks of several machines differ: a family may be over before it is kept.
pub(super) async fn over_at_once<S: RefreshTokenStore>(scene: Scene<S>) {
    let name = new_name("subject");
    let line = scene.begin(scene.family(Some(&name))).await;
    let ago = earlier(scene.start, 1000);
    let over = RefreshFamily::new(new_id_of(&name), name, line.facts.client().clone(), ago, ago);
    let (id, promise) = (over.id(), "a family that is over when it is begun is one of those that may be forgotten");
    let first = new_digest();
    let begun = scene.try_begin(over.clone(), Lineage::new(first.clone(), ago)).await;
    must(begun.is_ok(), promise);
    if let Some(found) = answer(scene.store().find(id).await) {
        let using = scene.using(first);
        must_be(found.lineage.decide(&found.family, &using), Decision::Over, promise);
        scene.swap(id, found.stamp, Some(&new_lineage(&scene, 0))).await;
    }
    scene.must_live(&line, "a family that is over ends no other of its login").await;
}

/// What a later version of this crate has written, beside which an older one still runs.
pub(super) async fn later_version<S: RefreshTokenStore>(scene: Scene<S>) {
    let promise = "a lineage of a later version is an error, or is given back as it was";
    let (family, others) = (scene.family(None), scene.line(0).await);
    let id = family.id();
    let mut lineage = new_lineage(&scene, 0);
    lineage.version = u8::MAX;
    answer(scene.try_begin(family, lineage.clone()).await);
    for _ in 0..2 {
        match scene.store().find(id).await {
            Err(_) => {}
            Ok(Some(found)) => must_be(found.lineage.to_bytes(), lineage.to_bytes(), promise),
            Ok(None) => broken(promise),
        }
    }
    scene.must_live(&others, "a lineage of a later version is nobody else's error").await;
    must(answer(scene.store().revoke_family(id).await), "a family can be ended whatever version its lineage has");
}

/// A rotation that was kept, and whose answer nobody got.
pub(super) async fn lost_answers<S: RefreshTokenStore>(scene: Scene<S>) {
    for round in 0..20 {
        let mut line = scene.line(round % 3).await;
        let first = scene.using(line.live());
        let Some((successor, salt)) = first.successor.clone() else { continue };
        must_be(scene.use_by(0, line.id(), &first).await, Used::Done, "the live token can be used");
        // Here the connection breaks: the same request comes again, to another process.
        let promise = "a rotation whose answer was lost is repeated with the same salt, over any handle";
        for handle in 0..2 {
            let again = scene.use_by(handle, line.id(), &scene.using(line.live())).await;
            must_be(again, Used::Repeated { salt }, promise);
        }
        line.tokens.push(successor);
        scene.must_live(&line, promise).await;

        let line = scene.line(0).await;
        let (found, using) = (scene.found(line.id(), promise).await, scene.using(line.live()));
        give_up(use_token(scene.store(), found, &using, None), round).await;
        let again = scene.using(line.live());
        let salts = [&using, &again].map(|using| using.successor.as_ref().map(|(_, salt)| *salt));
        let promise = "a rotation whose future was dropped happened whole or not at all";
        let salt = match scene.use_by(1, line.id(), &again).await {
            Used::Done => salts[1],
            Used::Repeated { salt } => Some(salt).filter(|salt| salts[0] == Some(*salt)),
            _ => None,
        };
        must(salt.is_some(), promise);
        let repeated = scene.use_by(0, line.id(), &scene.using(line.live())).await;
        must(salt.is_some_and(|salt| repeated == Used::Repeated { salt }), promise);
    }
}
