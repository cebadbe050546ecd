//! The promises of a store that keeps the access token of a login and of a refresh in the step of its refresh token.

use super::access::{is_found, record};
use super::promise::{
    Call, PARALLEL, ROUNDS, answer, give_up, must, must_be, new_bytes, new_digest, new_name, together,
};
use super::refresh::{Line, Scene};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::refresh::{FamilyStamp, NewFamily, RefreshTokenStore, Rotation};
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::lineage::{Lineage, TokenUse};
use crate::protocol::token::unsaved::UnsavedAccessToken;

const KEPT: &str = "an access token that comes with a step is found as soon as the step is done";
const REFUSED: &str = "an access token that comes with a step that is refused is not kept";

/// An access token of this login that nobody has saved yet, and its digest.
fn unsaved(family: &RefreshFamily) -> (SecretDigest, UnsavedAccessToken) {
    let token = new_digest();
    let record = record(family.subject_id()).with_realm(family.realm()).with_family(Some(family.id()));
    (token.clone(), UnsavedAccessToken::new(token, record))
}

/// A use of the live token that is kept if the family has this stamp still, and its access token.
fn rotation<S: RefreshTokenStore>(scene: &Scene<S>, line: &Line, seen: FamilyStamp) -> (SecretDigest, Rotation) {
    let (token, unsaved) = unsaved(&line.facts);
    let using = TokenUse { successor: Some((new_digest(), new_bytes())), ..TokenUse::new(line.live(), scene.start) };
    let lineage = Lineage::new(line.live(), scene.start).after(&using);
    (token, Rotation { family: line.id(), seen, lineage, access_token: Some(unsaved) })
}

async fn seen<S: RefreshTokenStore>(scene: &Scene<S>, line: &Line) -> FamilyStamp {
    scene.found(line.id(), "a family that was begun is found until it is over").await.stamp
}

/// Both handles find the record of the token, or neither does.
async fn must_be_found<S: RefreshTokenStore + AccessTokenStore>(
    scene: &Scene<S>,
    token: &SecretDigest,
    is_kept: bool,
    promise: &str,
) {
    for handle in 0..2 {
        must_be(is_found(scene.handle(handle), token).await, is_kept, promise);
    }
}

pub(super) async fn identity<S: RefreshTokenStore + AccessTokenStore>(scene: Scene<S>) {
    for handle in 0..2 {
        let store = scene.handle(handle);
        let (refresh, access) = (RefreshTokenStore::identity(store), AccessTokenStore::identity(store));
        must(refresh.is_some() && refresh == access, "a store of both kinds of tokens tells one `identity` as both");
    }
}

pub(super) async fn begun<S: RefreshTokenStore + AccessTokenStore>(scene: Scene<S>) {
    let (family, lineage) = (scene.family(None), Lineage::new(new_digest(), scene.start));
    let begin = async |family: RefreshFamily| {
        let (token, unsaved) = unsaved(&family);
        let access_token = Some(unsaved.clone());
        let new = NewFamily { family, lineage: lineage.clone(), now: scene.start, access_token };
        (token, scene.store().begin(new).await, unsaved)
    };
    let (token, begun, unsaved) = begin(family.clone()).await;
    answer(begun);
    must(unsaved.is_taken(), "a store takes the access token that comes with a step");
    must_be_found(&scene, &token, true, KEPT).await;
    // The id of a family that is there already.
    let (second, begun, _) = begin(family).await;
    must(begun.is_err(), "a family with the id of another is an error");
    must_be_found(&scene, &second, false, REFUSED).await;
    must_be_found(&scene, &token, true, "a login that is refused removes no access token of another").await;
}

pub(super) async fn rotated<S: RefreshTokenStore + AccessTokenStore>(scene: Scene<S>) {
    let line = scene.line(0).await;
    let before = seen(&scene, &line).await;
    let (token, first) = rotation(&scene, &line, before);
    let unsaved = first.access_token.clone();
    must(answer(scene.store().rotate(first).await), "a rotation with the stamp that was seen is kept");
    must(unsaved.is_some_and(|unsaved| unsaved.is_taken()), "a store takes the access token that comes with a step");
    must_be_found(&scene, &token, true, KEPT).await;
    // As a client does whose answer was lost: the family stays as it is.
    let (repeated, mut again) = rotation(&scene, &line, seen(&scene, &line).await);
    again.lineage = None;
    must(answer(scene.store().rotate(again).await), "a rotation without a new lineage is true");
    must_be_found(&scene, &repeated, true, KEPT).await;
    for is_repeat in [false, true] {
        let (refused, mut stale) = rotation(&scene, &line, before);
        stale.lineage = stale.lineage.filter(|_| !is_repeat);
        must(!answer(scene.store().rotate(stale).await), "a rotation with the stamp of an earlier state is refused");
        must_be_found(&scene, &refused, false, REFUSED).await;
    }
}

pub(super) async fn ended<S: RefreshTokenStore + AccessTokenStore>(scene: Scene<S>) {
    let promise = "no access token is kept for a family that has ended";
    let line = scene.line(0).await;
    let before = seen(&scene, &line).await;
    must(answer(RefreshTokenStore::revoke_family(scene.store(), line.id()).await), "`revoke_family` is true");
    for stamp in [before, seen(&scene, &line).await] {
        for is_repeat in [false, true] {
            let (token, mut late) = rotation(&scene, &line, stamp);
            late.lineage = late.lineage.filter(|_| !is_repeat);
            must(!answer(scene.store().rotate(late).await), "no rotation of a family that has ended is kept");
            must_be_found(&scene, &token, false, promise).await;
        }
    }
    // Nor for one that never was.
    let never = Line { facts: scene.family(Some(&new_name("subject"))), tokens: vec![new_digest()] };
    let (token, unknown) = rotation(&scene, &never, before);
    must(!answer(scene.store().rotate(unknown).await), "a rotation of a family that never was is not kept");
    must_be_found(&scene, &token, false, REFUSED).await;
}

/// Many refreshes with one stamp, and an end beside them every other time.
pub(super) async fn parallel<S: RefreshTokenStore + AccessTokenStore>(scene: Scene<S>) {
    for round in 0..ROUNDS {
        let line = scene.line(0).await;
        let stamp = seen(&scene, &line).await;
        let mut calls: Vec<Call<Option<(SecretDigest, bool)>>> = Vec::new();
        for number in 0..PARALLEL {
            let (scene, (token, rotation)) = (scene.clone(), rotation(&scene, &line, stamp));
            calls.push(Box::pin(async move { Some((token, answer(scene.handle(number).rotate(rotation).await))) }));
        }
        let is_ended = round % 2 == 1;
        if is_ended {
            let (scene, id) = (scene.clone(), line.id());
            calls.push(Box::pin(async move {
                answer(RefreshTokenStore::revoke_family(scene.store(), id).await);
                None
            }));
        }
        for (token, is_kept) in together(calls).await.into_iter().flatten() {
            // An end may remove what was kept before it.
            if !(is_kept && is_ended) {
                let promise = "of parallel rotations with one stamp the one that is kept has its access token kept, and \
                               no other has";
                must_be_found(&scene, &token, is_kept, promise).await;
            }
        }
    }
}

/// A step whose answer nobody waits for any more.
pub(super) async fn given_up<S: RefreshTokenStore + AccessTokenStore>(scene: Scene<S>) {
    for polls in 0..20 {
        let line = scene.line(0).await;
        let before = seen(&scene, &line).await;
        let (token, given_up) = rotation(&scene, &line, before);
        give_up(scene.store().rotate(given_up), polls).await;
        // Another step of the same family, which a store that still works on the first one has to wait for.
        let (other, next) = rotation(&scene, &line, before);
        let is_other = answer(scene.store().rotate(next).await);
        let promise = "a step whose future was dropped happened whole or not at all, with its access token";
        must_be_found(&scene, &token, !is_other, promise).await;
        must_be_found(&scene, &other, is_other, promise).await;
    }
}
