//! The promises of a [`RefreshTokenStore`], one call at a time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::promise::{answer, later, made, must, must_be, new_bytes, new_digest, new_name, present};
use crate::boundary::refresh::RefreshTokenStore;
use crate::protocol::client::ClientId;
use crate::protocol::family::{FamilyId, RefreshFamily};
use crate::protocol::lineage::{RefreshTokenState, Rotated, Rotation};
use crate::protocol::secrets::SecretDigest;

/// How long the predecessor may be presented again, in milliseconds.
pub(super) const LEEWAY: u64 = 10_000;
/// How long a family may be unused, in milliseconds.
const IDLE: u64 = 1_000_000;
/// How long a family lives, in milliseconds.
const LIFETIME: u64 = 10_000_000;

/// A use of a token.
pub(super) struct Use {
    pub(super) rotation: Rotation,
    pub(super) successor: SecretDigest,
    pub(super) salt: [u8; 32],
}

/// A store with nothing of ours in it, and a moment at which everything begins.
pub(super) struct Scene<S> {
    pub(super) store: Arc<S>,
    pub(super) start: SystemTime,
}

/// A family and its tokens, oldest first; the last one is live.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) facts: RefreshFamily,
    pub(super) tokens: Vec<SecretDigest>,
}

impl Line {
    /// The token of this generation.
    pub(super) fn token(&self, generation: usize) -> SecretDigest {
        made(self.tokens.get(generation).cloned().ok_or("no such generation"))
    }

    pub(super) fn live(&self) -> SecretDigest {
        self.token(self.tokens.len().saturating_sub(1))
    }
}

impl<S: RefreshTokenStore> Scene<S> {
    pub(super) fn new(store: S) -> Self {
        Self { store: Arc::new(store), start: present() }
    }

    /// The start and so many milliseconds.
    fn at(&self, millis: u64) -> SystemTime {
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
        RefreshFamily::new(made(FamilyId::random()), subject, client, self.start, self.at(LIFETIME))
    }

    pub(super) async fn begin(&self, facts: RefreshFamily) -> Line {
        let first = new_digest();
        answer(self.store.begin(facts.clone(), first.clone(), self.start).await);
        Line { facts, tokens: vec![first] }
    }

    /// A family whose token was used so many times, at the start.
    pub(super) async fn line(&self, uses: usize) -> Line {
        let mut line = self.begin(self.family(None)).await;
        for _ in 0..uses {
            self.advance(&mut line, 0).await;
        }
        line
    }

    /// A use of this token with a new successor, in the leeway and idle lifetime of the suite.
    pub(super) fn using(&self, token: SecretDigest, millis: u64) -> Use {
        let (successor, salt) = (new_digest(), new_bytes());
        let rotation = Rotation::new(token, self.at(millis))
            .with_successor(successor.clone(), salt)
            .with_leeway(Duration::from_millis(LEEWAY))
            .with_idle_lifetime(Duration::from_millis(IDLE));
        Use { rotation, successor, salt }
    }

    async fn rotate(&self, rotation: Rotation) -> Rotated {
        answer(self.store.rotate(rotation).await)
    }

    pub(super) async fn present(&self, token: SecretDigest, millis: u64) -> Rotated {
        self.rotate(self.using(token, millis).rotation).await
    }

    /// Uses the live token, and answers the salt.
    async fn advance(&self, line: &mut Line, millis: u64) -> [u8; 32] {
        let Use { rotation, successor, salt } = self.using(line.live(), millis);
        must_be(self.rotate(rotation).await, Rotated::Done, "the live token can be used");
        line.tokens.push(successor);
        salt
    }

    /// What the token is; `None` if it is not found.
    pub(super) async fn state(&self, token: &SecretDigest) -> Option<RefreshTokenState> {
        answer(self.store.find(token).await).map(|found| found.state())
    }

    /// That no token of the family is worth anything.
    pub(super) async fn must_be_dead(&self, line: &Line, promise: &str) {
        for token in &line.tokens {
            let state = self.state(token).await;
            must(matches!(state, None | Some(RefreshTokenState::Ended)), promise);
            must_be(self.present(token.clone(), 0).await, Rotated::Gone, promise);
        }
    }

    pub(super) async fn must_live(&self, line: &Line, promise: &str) {
        must_be(self.state(&line.live()).await, Some(RefreshTokenState::Live), promise);
        must_be(self.present(line.live(), 0).await, Rotated::Done, promise);
    }
}

pub(super) async fn states<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let unknown = new_digest();
    must_be(scene.state(&unknown).await, None, "a token that was never given is not found");
    must_be(scene.present(unknown, 0).await, Rotated::Gone, "a token that was never given is `Gone`");
    let mut line = scene.begin(scene.family(None)).await;
    let last_used = async |line: &Line| answer(scene.store.find(&line.live()).await).map(|found| found.last_used());
    must_be(last_used(&line).await, Some(scene.start), "a family was last used when it began");
    let live = Some(RefreshTokenState::Live);
    let predecessor = |millis| Some(RefreshTokenState::predecessor(scene.at(millis)));
    for uses in 0..4_u64 {
        for _ in 0..2 {
            let newest = line.tokens.iter().rev();
            for (age, token) in newest.enumerate() {
                let promised = match age {
                    0 => live,
                    1 => predecessor(uses),
                    _ => Some(RefreshTokenState::Spent),
                };
                let promise = "of a family the newest token is live, the one before is its predecessor, and all others \
                               are spent, and `find` changes nothing";
                must_be(scene.state(token).await, promised, promise);
            }
        }
        let millis = uses.saturating_add(1);
        scene.advance(&mut line, millis).await;
        must_be(last_used(&line).await, Some(scene.at(millis)), "a family was last used when its live token was");
    }
}

pub(super) async fn order_of_decisions<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    for over in [IDLE, LIFETIME] {
        let promise = "each token of a family that is over is `Gone`, whichever it is";
        for generation in 0..3 {
            let line = scene.line(2).await;
            must_be(scene.present(line.token(generation), over).await, Rotated::Gone, promise);
        }
    }
    let line = scene.line(2).await;
    must(answer(scene.store.revoke_family(line.facts.id()).await), "`revoke_family` ends a family that lives");
    scene.must_be_dead(&line, "each token of a family that was revoked is `Gone`, whichever it is").await;
}

pub(super) async fn leeway<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    for (millis, is_within) in [(0, true), (1, true), (LEEWAY, true), (LEEWAY.saturating_add(1), false)] {
        let mut line = scene.line(1).await;
        let salt = scene.advance(&mut line, 5).await;
        let promised = if is_within { Rotated::repeated(salt) } else { Rotated::Replayed };
        let promise = "the predecessor is `Repeated` until exactly the leeway after its first use, with the salt of its \
                       successor, and `Replayed` after that";
        must_be(scene.present(line.token(1), millis.saturating_add(5)).await, promised, promise);
    }
    let line = scene.line(1).await;
    let strict = scene.using(line.token(0), 0).rotation.with_leeway(Duration::ZERO);
    must_be(scene.rotate(strict).await, Rotated::Replayed, "without leeway the first repeat is `Replayed`");
    scene.must_be_dead(&line, "without leeway the first repeat ends the family").await;
    let mut line = scene.line(0).await;
    let Use { rotation, successor, salt } = scene.using(line.live(), 0);
    must_be(scene.rotate(rotation.with_used(scene.at(LEEWAY))).await, Rotated::Done, "the live token can be used");
    line.tokens.push(successor);
    let promise =
        "the leeway counts from the instant that the rotation says to keep as the use, not from when the request came";
    let last_used = answer(scene.store.find(&line.live()).await).map(|found| found.last_used());
    must_be(last_used, Some(scene.at(LEEWAY)), promise);
    let repeated = scene.present(line.token(0), LEEWAY.saturating_mul(2)).await;
    must_be(repeated, Rotated::repeated(salt), promise);
    let line = scene.line(1).await;
    let shorter = scene.using(line.token(0), 6).rotation.with_leeway(Duration::from_millis(5));
    must_be(scene.rotate(shorter).await, Rotated::Replayed, "the leeway that counts is that of the rotation");
}

pub(super) async fn repeats<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let mut line = scene.line(0).await;
    let salt = scene.advance(&mut line, 0).await;
    for millis in [0, 1, 5_000, LEEWAY] {
        let Use { rotation, successor, .. } = scene.using(line.token(0), millis);
        let promise = "each repeat within the leeway has the salt of the first use";
        must_be(scene.rotate(rotation).await, Rotated::repeated(salt), promise);
        must_be(scene.state(&successor).await, None, "a repeat adds no token");
        let found = answer(scene.store.find(&line.live()).await).map(|found| (found.state(), found.last_used()));
        let promise = "a repeat leaves the successor live and does not count as a use of the family";
        must_be(found, Some((RefreshTokenState::Live, scene.start)), promise);
    }
    let promise = "a repeat does not extend the leeway";
    must_be(scene.present(line.token(0), LEEWAY.saturating_add(1)).await, Rotated::Replayed, promise);

    let mut line = scene.line(1).await;
    scene.present(line.token(0), 1).await;
    scene.advance(&mut line, 1).await;
    let promise = "the first use of the successor closes the window of its predecessor";
    must_be(scene.present(line.token(0), 1).await, Rotated::Replayed, promise);
    scene.must_be_dead(&line, "a replay within the leeway of an older token ends the family").await;

    let line = scene.line(1).await;
    scene.present(line.token(0), LEEWAY).await;
    let promise = "a repeat does not keep an idle family alive";
    must_be(scene.present(line.live(), IDLE).await, Rotated::Gone, promise);
}

pub(super) async fn replays<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    for generation in 0..3 {
        let line = scene.line(4).await;
        let sibling = scene.begin(scene.family(Some(line.facts.subject()))).await;
        let stranger = scene.line(1).await;
        let promise = "a token older than the predecessor is `Replayed`";
        must_be(scene.present(line.token(generation), 0).await, Rotated::Replayed, promise);
        scene.must_be_dead(&line, "a replay ends the family").await;
        must(!answer(scene.store.revoke_family(line.facts.id()).await), "a family that a replay ended has ended");
        for other in [sibling, stranger] {
            scene.must_live(&other, "a replay ends the family of the token and no other").await;
        }
    }
}

pub(super) async fn reuse<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let mut line = scene.line(0).await;
    for millis in 1..5 {
        let reuse = Rotation::new(line.live(), scene.at(millis));
        must_be(scene.rotate(reuse).await, Rotated::Done, "without a successor the live token stays live");
        let found = answer(scene.store.find(&line.live()).await).map(|found| (found.state(), found.last_used()));
        let promise = "a use without a successor keeps the token and counts as a use";
        must_be(found, Some((RefreshTokenState::Live, scene.at(millis))), promise);
    }
    scene.advance(&mut line, 5).await;
    must_be(scene.rotate(Rotation::new(line.live(), scene.at(6))).await, Rotated::Done, "the live token can be used");
    let promise = "a use without a successor closes the window of the predecessor, too";
    must_be(scene.present(line.token(0), 6).await, Rotated::Replayed, promise);
}

pub(super) async fn lifetimes<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let (nearly, lifetime) = (IDLE.saturating_sub(1), LIFETIME.saturating_sub(1));
    let line = scene.line(0).await;
    must_be(scene.present(line.live(), IDLE).await, Rotated::Gone, "a family unused for the idle lifetime is `Gone`");
    let mut line = scene.line(0).await;
    for uses in 1..4 {
        scene.advance(&mut line, nearly.saturating_mul(uses)).await;
    }
    let late = nearly.saturating_mul(3).saturating_add(IDLE);
    must_be(scene.present(line.live(), late).await, Rotated::Gone, "the idle lifetime counts from the last use");

    let endless = |token: SecretDigest, millis| {
        let Use { rotation, successor, .. } = scene.using(token, millis);
        (rotation.with_idle_lifetime(Duration::MAX), successor)
    };
    let line = scene.line(0).await;
    let (last, successor) = endless(line.live(), lifetime);
    must_be(scene.rotate(last).await, Rotated::Done, "a family lives until it expires, without an idle lifetime");
    let (late, _) = endless(successor, LIFETIME);
    must_be(scene.rotate(late).await, Rotated::Gone, "no rotation moves the end of a family");
}

pub(super) async fn clock_back<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let promise = "a clock that went back counts as no time";
    let facts = scene.family(None);
    let first = new_digest();
    answer(scene.store.begin(facts.clone(), first.clone(), scene.at(5_000)).await);
    let Use { rotation, successor, salt } = scene.using(first.clone(), 3_000);
    must_be(scene.rotate(rotation.with_idle_lifetime(Duration::from_millis(1))).await, Rotated::Done, promise);
    must_be(scene.present(first, 1_000).await, Rotated::repeated(salt), promise);
    let used = answer(scene.store.find(&successor).await).map(|found| found.last_used());
    must_be(used, Some(scene.at(3_000)), "a family was last used when the clock said so");
    must_be(scene.present(successor, 0).await, Rotated::Done, promise);
}

pub(super) async fn clock_far_back<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    // A minute before it, and a millisecond more.
    let (used, near, far) = (2_000_000, 1_940_000, 1_939_999);
    let endless = |token: SecretDigest, millis: u64| {
        let Use { rotation, successor, salt } = scene.using(token, millis);
        (rotation.with_idle_lifetime(Duration::MAX), successor, salt)
    };
    for (millis, is_near) in [(near, true), (far, false), (0, false)] {
        let mut line = scene.line(0).await;
        let (first, successor, salt) = endless(line.live(), used);
        must_be(scene.rotate(first).await, Rotated::Done, "the live token can be used");
        line.tokens.push(successor);
        let promised = if is_near { Rotated::repeated(salt) } else { Rotated::Replayed };
        let promise = "the predecessor is `Replayed` by a clock that went back by more than 60 seconds: a spent token \
                       stays spent";
        must_be(scene.rotate(endless(line.token(0), millis).0).await, promised, promise);
        if !is_near {
            scene.must_be_dead(&line, "a replay by a clock that went back ends the family").await;
        }
    }
}

/// One family whose token was used ten thousand times.
pub(super) async fn long_family<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    let line = scene.line(10_000).await;
    for generation in [0, 1, 5_000, 9_998] {
        let promise = "the tokens of a family are found however often it was rotated";
        must_be(scene.state(&line.token(generation)).await, Some(RefreshTokenState::Spent), promise);
    }
    let promise = "after 10,000 rotations the first token of a family is `Replayed` still";
    must_be(scene.present(line.token(0), 0).await, Rotated::Replayed, promise);
    must_be(
        scene.present(line.live(), 0).await,
        Rotated::Gone,
        "after 10,000 rotations a replay ends the family still",
    );
}
