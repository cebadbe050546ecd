//! How a [`RefreshTokenStore`] ends families.

use std::collections::HashSet;

use super::promise::{answer, must, must_be, new_family_id, new_name};
use super::refresh::{Line, Scene};
use crate::boundary::refresh::RefreshTokenStore;
use crate::boundary::refresh_use::Used;

pub(super) async fn revoke_family<S: RefreshTokenStore>(scene: Scene<S>) {
    let unknown = new_family_id();
    must(!answer(scene.store().revoke_family(unknown).await), "`revoke_family` is false for a family that never was");
    for uses in 0..3 {
        let line = scene.line(uses).await;
        let sibling = scene.begin(scene.family(Some(line.facts.subject_id()))).await;
        let (id, promise) = (line.id(), "a family that was begun is found until it is over");
        let seen = scene.found(id, promise).await;
        must(answer(scene.handle(uses).revoke_family(id).await), "`revoke_family` is true for a family that lives");
        must(!answer(scene.store().revoke_family(id).await), "`revoke_family` is true once for each family");
        let ended = scene.found(id, "a family that has ended is found until it is over").await;
        must(ended.is_ended, "a family that has ended is found as such");
        for stamp in [seen.stamp, ended.stamp] {
            let promise = "no rotation of a family that has ended is kept, whatever stamp was seen";
            must(!scene.swap(id, stamp, Some(&seen.lineage)).await, promise);
            must(!scene.swap(id, stamp, None).await, promise);
        }
        scene.must_be_dead(&line, "no token of a family counts after `revoke_family`").await;
        scene.must_live(&sibling, "`revoke_family` ends no other family of the subject").await;
    }
}

async fn is_live<S: RefreshTokenStore>(scene: &Scene<S>, line: &Line) -> bool {
    let found = answer(scene.store().find(line.id()).await);
    found.is_some_and(|found| !found.is_ended && found.lineage.is_live(&line.live()))
}

/// How often one subject logs in.
const CROWD: usize = 250;

/// Subjects and realms that a sloppy comparison takes for one.
pub(super) fn neighbours(name: &str) -> Vec<(Option<String>, String)> {
    let realms = [None, Some(String::new()), Some("a".to_owned()), Some("A".to_owned()), Some("a ".to_owned())];
    let subjects = [name.to_owned(), name.to_uppercase(), format!("{name} "), format!("{name}%"), format!("a{name}")];
    realms.iter().flat_map(|realm| subjects.iter().map(|subject| (realm.clone(), subject.clone()))).collect()
}

pub(super) async fn revoke_subject<S: RefreshTokenStore>(scene: Scene<S>) {
    let name = new_name("subject");
    let mut lines: Vec<Line> = Vec::new();
    for (realm, subject) in neighbours(&name) {
        for _ in 0..2 {
            let facts = scene.family(Some(&subject)).with_realm(realm.as_deref());
            lines.push(scene.begin(facts).await);
        }
    }
    let promise = "`revoke_subject` answers 0 for a subject that has no family";
    must_be(answer(scene.store().revoke_subject(None, &new_name("nobody")).await), 0, promise);
    let mut living = lines;
    for (number, (realm, subject)) in neighbours(&name).into_iter().enumerate() {
        let (theirs, others): (Vec<Line>, Vec<Line>) = living
            .into_iter()
            .partition(|line| line.facts.subject_id() == subject && line.facts.realm() == realm.as_deref());
        let mut expected = theirs.len() as u64;
        // Every other time one of them has ended before.
        if number % 2 == 1
            && let Some(first) = theirs.first()
        {
            answer(scene.store().revoke_family(first.facts.id()).await);
            expected = expected.saturating_sub(1);
        }
        let revoked = answer(scene.store().revoke_subject(realm.as_deref(), &subject).await);
        let promise = "`revoke_subject` answers how many families of exactly this subject and realm it ended, and no \
                       realm is not an empty one";
        must_be(revoked, expected, promise);
        let again = answer(scene.store().revoke_subject(realm.as_deref(), &subject).await);
        must_be(again, 0, "`revoke_subject` counts no family twice");
        for line in &theirs {
            scene.must_be_dead(line, "no token of a subject counts after `revoke_subject`").await;
        }
        for line in &others {
            let promise = "`revoke_subject` ends no family of another subject or realm";
            must(is_live(&scene, line).await, promise);
        }
        living = others;
    }
    let after = scene.begin(scene.family(Some(&name))).await;
    must_be(scene.present(&after, after.live()).await, Used::Done, "a subject can log in after `revoke_subject`");
}

/// More logins of one subject than any store needs to keep.
pub(super) async fn crowd<S: RefreshTokenStore>(scene: Scene<S>) {
    let name = new_name("subject");
    let mut others: Vec<Line> = Vec::new();
    for (realm, subject) in neighbours(&name).into_iter().skip(1) {
        others.push(scene.begin(scene.family(Some(&subject)).with_realm(realm.as_deref())).await);
    }
    others.push(scene.begin(scene.family_at("another", Some(&name))).await);
    let (mut theirs, mut told) = (Vec::new(), HashSet::new());
    for _ in 0..CROWD {
        let (line, ended) = scene.begin_beside(scene.family(Some(&name))).await;
        must(is_live(&scene, &line).await, "the newest login of a subject lives");
        theirs.push(line);
        told.extend(ended);
    }
    for line in &others {
        let promise = "logins of a subject end none of another subject, realm or client, however many they are";
        scene.must_live(line, promise).await;
    }
    let hides_tokens = scene.store().identity().is_some();
    let mut lives_older = false;
    for line in &theirs {
        let (is_live, is_told) = (is_live(&scene, line).await, told.contains(&line.id()));
        must(is_live || !lives_older, "where a store bounds the logins of a subject at a client, the oldest end first");
        lives_older |= is_live;
        must(!is_live || !is_told, "a family that `begin` answers has ended");
        let promise = "`begin` answers each family that ended for it, but for a store that keeps access tokens, too";
        must(is_live || is_told || hides_tokens, promise);
    }
}
