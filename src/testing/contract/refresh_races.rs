//! The promises of a [`RefreshTokenStore`] when its methods run at the same time.

use std::sync::Arc;
use std::time::Duration;

use super::promise::{Call, PARALLEL, ROUNDS, answer, must, must_be, new_digest, together};
use super::refresh::{Line, Scene, Use};
use crate::boundary::refresh::RefreshTokenStore;
use crate::protocol::lineage::{RefreshTokenState, Rotated};
use crate::protocol::secrets::SecretDigest;

/// Presents a token many times at once, each time with a successor of its own.
async fn stampede<S: RefreshTokenStore>(scene: &Scene<S>, token: &SecretDigest, leeway: u64) -> Vec<(Use, Rotated)> {
    let calls = (0..PARALLEL).map(|_| {
        let mut attempt = scene.using(token.clone(), 0);
        attempt.rotation = attempt.rotation.with_leeway(Duration::from_millis(leeway));
        let store = Arc::clone(&scene.store);
        async move {
            let rotated = answer(store.rotate(attempt.rotation.clone()).await);
            (attempt, rotated)
        }
    });
    together(calls).await
}

pub(super) async fn parallel_uses<S: RefreshTokenStore>(store: S, leeway: u64) {
    let scene = Scene::new(store);
    for round in 0..ROUNDS {
        let line = scene.line(round % 3).await;
        let uses = stampede(&scene, &line.live(), leeway).await;
        let done: Vec<&Use> =
            uses.iter().filter(|(_, rotated)| *rotated == Rotated::Done).map(|(attempt, _)| attempt).collect();
        must_be(done.len(), 1, "of parallel uses of one token exactly one is `Done`");
        let Some(winner) = done.first() else { continue };
        for (attempt, rotated) in &uses {
            let is_winner = attempt.salt == winner.salt;
            if leeway > 0 && !is_winner {
                let promise = "of parallel uses within the leeway the others are `Repeated`, with the salt of the one \
                               that is `Done`";
                must_be(*rotated, Rotated::repeated(winner.salt), promise);
            }
            if !is_winner {
                must_be(scene.state(&attempt.successor).await, None, "of parallel uses one has a successor");
            }
        }
        if leeway > 0 {
            let live = Line { facts: line.facts.clone(), tokens: vec![winner.successor.clone()] };
            scene.must_live(&live, "after parallel uses within the leeway the successor is live").await;
            continue;
        }
        let replayed = uses.iter().filter(|(_, rotated)| *rotated == Rotated::Replayed).count();
        must_be(replayed, 1, "of parallel uses without leeway exactly one is told that it ended the family");
        let gone = uses.iter().filter(|(_, rotated)| *rotated == Rotated::Gone).count();
        must_be(gone, PARALLEL.saturating_sub(2), "a family that was ended is `Gone` for all who come later");
        let successor = Line { facts: line.facts.clone(), tokens: vec![winner.successor.clone()] };
        scene.must_be_dead(&successor, "after parallel uses without leeway the family has ended").await;
    }
}

/// Uses one token after the other, and answers all tokens that it was given.
async fn refresh_on<S: RefreshTokenStore>(scene: Arc<Scene<S>>, first: SecretDigest) -> Vec<SecretDigest> {
    let mut tokens = vec![first.clone()];
    let mut live = first;
    for _ in 0..8 {
        let Use { rotation, successor, .. } = scene.using(live, 0);
        if answer(scene.store.rotate(rotation).await) != Rotated::Done {
            break;
        }
        tokens.push(successor.clone());
        live = successor;
    }
    tokens
}

/// What ends a family while it is used.
#[derive(Clone, Copy)]
pub(super) enum End {
    RevokeFamily,
    RevokeSubject,
    Replay,
}

async fn end<S: RefreshTokenStore>(scene: Arc<Scene<S>>, line: Line, by: End) -> bool {
    match by {
        End::RevokeFamily => answer(scene.store.revoke_family(line.facts.id()).await),
        End::RevokeSubject => answer(scene.store.revoke_subject(line.facts.realm(), line.facts.subject()).await) == 1,
        End::Replay => scene.present(line.token(0), 0).await == Rotated::Replayed,
    }
}

pub(super) async fn end_while_used<S: RefreshTokenStore>(store: S, by: End) {
    let scene = Arc::new(Scene::new(store));
    for _ in 0..ROUNDS.saturating_mul(5) {
        let line = scene.line(2).await;
        let (uses, ends) = (refresh_on(Arc::clone(&scene), line.live()), end(Arc::clone(&scene), line.clone(), by));
        let calls: [Call<(Vec<SecretDigest>, bool)>; 2] =
            [Box::pin(async { (uses.await, true) }), Box::pin(async { (Vec::new(), ends.await) })];
        let answers = together(calls).await;
        must(answers.iter().all(|(_, ended)| *ended), "a family that is in use can be ended, and is ended once");
        let tokens = answers.into_iter().flat_map(|(tokens, _)| tokens).collect();
        let promise = "no token of a family counts after it was ended, even if it was rotated at the same time";
        scene.must_be_dead(&Line { facts: line.facts, tokens }, promise).await;
    }
}

pub(super) async fn parallel_ends<S: RefreshTokenStore>(store: S) {
    let scene = Scene::new(store);
    for _ in 0..ROUNDS {
        let id = scene.line(1).await.facts.id();
        let calls = (0..PARALLEL).map(|_| {
            let store = Arc::clone(&scene.store);
            async move { answer(store.revoke_family(id).await) }
        });
        let ended = together(calls).await.into_iter().filter(|ended| *ended).count();
        must_be(ended, 1, "of parallel calls of `revoke_family` exactly one ended the family");
    }
}

pub(super) async fn parallel_logins<S: RefreshTokenStore>(store: S) {
    let scene = Arc::new(Scene::new(store));
    let calls = (0..PARALLEL).map(|_| {
        let (scene, first) = (Arc::clone(&scene), new_digest());
        async move {
            answer(scene.store.begin(scene.family(Some("everybody")), first.clone(), scene.start).await);
            let promise = "a token is found and live as soon as its family was begun";
            must_be(scene.state(&first).await, Some(RefreshTokenState::Live), promise);
            must_be(scene.present(first, 0).await, Rotated::Done, promise);
        }
    });
    together(calls).await;
}
