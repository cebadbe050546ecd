//! The promises of a [`RefreshTokenStore`] when its methods run at the same time, over two handles.

use std::time::Duration;

use tokio::task::yield_now;

use super::promise::{Call, PARALLEL, ROUNDS, answer, must, must_be, together};
use super::refresh::{Line, Scene};
use crate::boundary::refresh::{RefreshTokenStore, Rotation};
use crate::boundary::refresh_use::Used;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::lineage::TokenUse;

/// Replaces a family many times at once, with one stamp.
pub(super) async fn parallel_swaps<S: RefreshTokenStore>(scene: Scene<S>) {
    for round in 0..ROUNDS {
        let line = scene.line(round % 3).await;
        let seen = scene.found(line.id(), "a family that was begun is found until it is over").await;
        let calls = (0..PARALLEL).map(|number| {
            let (scene, using) = (scene.clone(), scene.using(line.live()));
            let lineage = seen.lineage.after(&using);
            let bytes = lineage.as_ref().map(|lineage| lineage.to_bytes());
            let rotation = Rotation { family: line.id(), seen: seen.stamp, lineage, access_token: None };
            async move { (answer(scene.handle(number).rotate(rotation).await), bytes) }
        });
        let kept: Vec<_> = together(calls).await.into_iter().filter(|(is_kept, _)| *is_kept).collect();
        must_be(kept.len(), 1, "of parallel rotations with one stamp exactly one is kept");
        let found = scene.found(line.id(), "a family that was rotated is found").await;
        let promise = "of parallel rotations the one that was told so is kept";
        must(kept.iter().all(|(_, bytes)| bytes.as_ref() == Some(&found.lineage.to_bytes())), promise);
    }
}

pub(super) async fn parallel_uses<S: RefreshTokenStore>(scene: Scene<S>, leeway: u64) {
    for round in 0..ROUNDS {
        let line = scene.line(round % 3).await;
        let calls = (0..PARALLEL).map(|number| {
            let (scene, id) = (scene.clone(), line.id());
            let using = TokenUse { leeway: Duration::from_millis(leeway), ..scene.using(line.live()) };
            async move {
                let used = scene.use_by(number, id, &using).await;
                (using, used)
            }
        });
        let uses = together(calls).await;
        let winners: Vec<&TokenUse> =
            uses.iter().filter(|(_, used)| *used == Used::Done).map(|(using, _)| using).collect();
        must_be(winners.len(), 1, "of parallel uses of one token exactly one rotates it");
        let Some((successor, salt)) = winners.first().and_then(|winner| winner.successor.clone()) else { continue };
        let successor = Line { facts: line.facts.clone(), tokens: vec![successor] };
        let number = |what: Used| uses.iter().filter(|(_, used)| *used == what).count();
        if leeway > 0 {
            let promise = "of parallel uses within the leeway all others are repeats of the one that rotated";
            must_be(number(Used::Repeated { salt }), PARALLEL.saturating_sub(1), promise);
            scene.must_live(&successor, "after parallel uses within the leeway the successor is live").await;
        } else {
            let promise = "of parallel uses without leeway exactly one is told that it ended the family";
            must_be(number(Used::Replayed), 1, promise);
            let promise = "a family that was ended is over for all who come later";
            must_be(number(Used::Gone), PARALLEL.saturating_sub(2), promise);
            scene.must_be_dead(&successor, "after parallel uses without leeway the family has ended").await;
        }
    }
}

/// Uses one token after the other, and answers all tokens that it was given.
async fn refresh_on<S: RefreshTokenStore>(scene: Scene<S>, line: Line) -> Vec<SecretDigest> {
    let mut tokens = vec![line.live()];
    let mut using = scene.using(line.live());
    for _ in 0..8 {
        let used = scene.use_by(1, line.id(), &using).await;
        let Some((successor, _)) = using.successor.filter(|_| used == Used::Done) else { break };
        tokens.push(successor.clone());
        using = scene.using(successor);
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

async fn end<S: RefreshTokenStore>(scene: Scene<S>, line: Line, by: End) -> bool {
    let store = scene.store();
    match by {
        End::RevokeFamily => answer(store.revoke_family(line.id()).await),
        End::RevokeSubject => answer(store.revoke_subject(line.facts.realm(), line.facts.subject_id()).await) == 1,
        End::Replay => scene.present(&line, line.token(0)).await == Used::Replayed,
    }
}

pub(super) async fn end_while_used<S: RefreshTokenStore>(scene: Scene<S>, by: End) {
    for round in 0..ROUNDS.saturating_mul(5) {
        let line = scene.line(2).await;
        let uses = refresh_on(scene.clone(), line.clone());
        let (scene_of_end, line_of_end) = (scene.clone(), line.clone());
        // At one moment or another.
        let ends = async move {
            for _ in 0..round {
                yield_now().await;
            }
            end(scene_of_end, line_of_end, by).await
        };
        let calls: [Call<(Vec<SecretDigest>, bool)>; 2] =
            [Box::pin(async { (uses.await, true) }), Box::pin(async { (Vec::new(), ends.await) })];
        let answers = together(calls).await;
        must(answers.iter().all(|(_, ended)| *ended), "a family that is in use can be ended, and is ended once");
        let tokens = answers.into_iter().flat_map(|(tokens, _)| tokens).collect();
        let promise = "no token of a family counts after it was ended, even if it was rotated at the same time";
        scene.must_be_dead(&Line { facts: line.facts, tokens }, promise).await;
    }
}

pub(super) async fn parallel_ends<S: RefreshTokenStore>(scene: Scene<S>) {
    for _ in 0..ROUNDS {
        let id = scene.line(1).await.id();
        let calls = (0..PARALLEL).map(|number| {
            let scene = scene.clone();
            async move { answer(scene.handle(number).revoke_family(id).await) }
        });
        let ended = together(calls).await.into_iter().filter(|ended| *ended).count();
        must_be(ended, 1, "of parallel calls of `revoke_family` exactly one ended the family");
    }
}

pub(super) async fn parallel_logins<S: RefreshTokenStore>(scene: Scene<S>) {
    let calls = (0..PARALLEL).map(|number| {
        let scene = scene.clone();
        async move {
            let line = scene.begin(scene.family(Some("everybody"))).await;
            let promise = "a family is found and live as soon as it was begun, over any handle";
            must_be(scene.use_by(number, line.id(), &scene.using(line.live())).await, Used::Done, promise);
        }
    });
    together(calls).await;
}

/// A token that stays live, used by many at once: none of them is refused, and none waits for all others.
pub(super) async fn parallel_reuses<S: RefreshTokenStore>(scene: Scene<S>) {
    for _ in 0..ROUNDS {
        let line = scene.line(1).await;
        let calls = (0..PARALLEL).map(|number| {
            let (scene, line) = (scene.clone(), line.clone());
            let using = TokenUse::new(line.live(), scene.at(5_000));
            async move { scene.use_by(number, line.id(), &using).await }
        });
        let used = together(calls).await;
        must(used.iter().all(|used| *used == Used::Done), "of parallel uses of a token that stays live all are");
        let found = scene.found(line.id(), "a family that is used is found").await;
        must_be(found.lineage.last_used(), scene.at(5_000), "a use without a successor counts as a use");
        must_be(scene.present(&line, line.token(0)).await, Used::Replayed, "and closes the window of its predecessor");
    }
}
