//! The promises of a [`FactorStore`](crate::store::FactorStore) when its methods run at the same time, over two handles, and when
//! their answers are lost.

use super::factors::{Begun, Scene};
use super::promise::{Call, ROUNDS, answer, give_up, must, must_be, new_digest, together};
use crate::protocol::factor::authenticator::{Enrolled, Removed};
use crate::protocol::secret::secrets::SecretDigest;

/// How many equal steps are spent at the same time.
const STEPS: usize = 100;

/// How many equal recovery codes are swapped at the same time.
const CODES: usize = 50;

/// So many calls that are answered `true` or `false`, at the same time; answers how many were `true`.
async fn winners(calls: impl IntoIterator<Item = Call<bool>>) -> usize {
    together(calls).await.into_iter().filter(|won| *won).count()
}

pub(super) async fn equal_steps(scene: Scene) {
    let begun = scene.active(0).await;
    for step in 1..=ROUNDS as u64 {
        let calls = (0..STEPS).map(|number| -> Call<bool> {
            let (scene, id) = (scene.clone(), begun.id.clone());
            Box::pin(async move { scene.spend_by(number, &id, step).await })
        });
        must_be(winners(calls).await, 1, "of parallel calls of `spend_step` for one step exactly one is true");
    }
}

/// Each of many steps once, in no order.
pub(super) async fn different_steps(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let begun = user.active(0).await;
        let calls = (1..=STEPS).map(|step| {
            let (user, id) = (user.clone(), begun.id.clone());
            async move { (user.spend_by(step, &id, step as u64).await, step as u64) }
        });
        let spent: Vec<u64> = together(calls).await.into_iter().filter(|(won, _)| *won).map(|(_, step)| step).collect();
        let promise = "of parallel steps the latest is spent, and is what is kept";
        must(spent.contains(&(STEPS as u64)), promise);
        let kept: Vec<_> = user.list().await.into_iter().map(|kept| kept.last_step).collect();
        must_be(kept, vec![Some(STEPS as u64)], promise);
    }
}

pub(super) async fn equal_codes(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let begun = user.active(8).await;
        let Some((old, kept)) = begun.codes.split_first() else { continue };
        let calls = (0..CODES).map(|number| {
            let (user, old, new) = (user.clone(), old.clone(), new_digest());
            async move { (user.swap_by(number, &old, &new).await, new) }
        });
        let (won, lost): (Vec<_>, Vec<_>) = together(calls).await.into_iter().partition(|(won, _)| *won);
        must_be(won.len(), 1, "of parallel swaps of one recovery code exactly one is true");
        let digests = |all: &[(bool, SecretDigest)]| all.iter().map(|(_, new)| new.clone()).collect::<Vec<_>>();
        user.must_count(&digests(&won), true, "the new recovery code counts").await;
        user.must_count(&digests(&lost), false, "a swap that is refused adds no code").await;
        user.must_count(kept, true, "a swap takes no other code").await;
    }
}

pub(super) async fn enrolments(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let calls = (0..2).map(|number| {
            let user = user.clone();
            async move { user.enrol_by(number, 2, true).await }
        });
        let begun = together(calls).await;
        let ids = user.ids().await;
        let promise = "of parallel enrolments one is left, with its recovery codes";
        must_be(ids.len(), 2, promise);
        let (left, gone): (Vec<_>, Vec<_>) = begun.into_iter().partition(|begun| ids.contains(&begun.id));
        must_be((left.len(), gone.len()), (1, 1), promise);
        for Begun { id, codes, .. } in &gone {
            must(!user.confirm_by(0, id, true).await, promise);
            user.must_count(codes, false, promise).await;
        }
        for Begun { id, codes, .. } in &left {
            must(user.confirm_by(1, id, true).await, promise);
            user.must_count(codes, true, promise).await;
        }
    }
}

pub(super) async fn confirmations(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let begun = user.begin(1).await;
        let calls = (0..2).map(|number| -> Call<bool> {
            let (user, id) = (user.clone(), begun.id.clone());
            Box::pin(async move { user.confirm_by(number, &id, true).await })
        });
        must_be(winners(calls).await, 1, "of parallel calls of `confirm` exactly one is true");
    }
}

/// A stranger with the password enrols while the owner confirms: one of them has the account.
pub(super) async fn confirm_while_enrolled(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let begun = user.begin(1).await;
        let (owner, stranger, id) = (user.clone(), user.clone(), begun.id.clone());
        let calls: [Call<bool>; 2] = [
            Box::pin(async move { owner.confirm_by(0, &id, true).await }),
            Box::pin(async move { stranger.enrol_by(1, 1, true).await.answer == Enrolled::Begun }),
        ];
        let promise = "of a `confirm` and a first enrolment at the same time exactly one is done";
        must_be(winners(calls).await, 1, promise);
        must_be(user.list().await.len(), 2, promise);
    }
}

/// A stranger with the password removes what the owner confirms: with the factor active it is too late.
pub(super) async fn confirm_while_removed(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let begun = user.begin(1).await;
        let (owner, stranger, id, same) = (user.clone(), user.clone(), begun.id.clone(), begun.id.clone());
        let calls: [Call<bool>; 2] = [
            Box::pin(async move { owner.confirm_by(0, &id, true).await }),
            Box::pin(async move { stranger.remove_by(1, &same, true).await == Removed::Gone }),
        ];
        let promise = "of a first `confirm` and a removal by a password alone exactly one is done";
        let [confirmed, removed] = together(calls).await[..] else { return must(false, promise) };
        must(confirmed != removed, promise);
        must_be(user.list().await.len(), if confirmed { 2 } else { 0 }, promise);
    }
}

/// The last two factors are removed at the same time: recovery codes are not left behind.
pub(super) async fn removals(scene: Scene) {
    for _ in 0..ROUNDS {
        let user = scene.another();
        let (one, other) = (user.active(1).await, user.active(0).await);
        let calls =
            [&one.id, &one.id, &other.id, &other.id].into_iter().enumerate().map(|(number, id)| -> Call<bool> {
                let (user, id) = (user.clone(), id.clone());
                Box::pin(async move { user.remove_by(number, &id, false).await == Removed::Gone })
            });
        must_be(winners(calls).await, 2, "of parallel calls of `remove` for one authenticator exactly one is gone");
        must(user.list().await.is_empty(), "the recovery codes go with the last active factor");
        user.must_count(&one.codes, false, "the recovery codes go with the last active factor").await;
    }
}

/// Calls whose answers nobody gets.
pub(super) async fn lost_answers(scene: Scene) {
    for polls in 0..20 {
        let user = scene.another();
        give_up(user.enrol_by(0, 2, true), polls).await;
        must([0, 2].contains(&user.list().await.len()), "an enrolment that was given up is whole, or none");
        let user = scene.another();
        let begun = user.begin(2).await;
        give_up(user.confirm_by(0, &begun.id, true), polls).await;
        user.confirm_by(1, &begun.id, true).await;
        let promise = "an authenticator is active once `confirm` was asked for it, though an earlier call was given up";
        must(user.list().await.iter().all(|kept| kept.is_active), promise);
        user.must_count(&begun.codes, true, promise).await;
        give_up(user.spend_by(0, &begun.id, 9), polls).await;
        user.spend_by(1, &begun.id, 9).await;
        let promise = "a step is spent once `spend_step` was asked for it, though an earlier call was given up";
        must(!user.spend_by(0, &begun.id, 9).await, promise);
        let Some(old) = begun.codes.first() else { continue };
        let (new, next) = (new_digest(), new_digest());
        give_up(user.swap_by(0, old, &new), polls).await;
        let is_next = user.swap_by(1, old, &next).await;
        let promise = "a recovery code counts once, and has one successor, though an earlier swap was given up";
        must(!user.counts(old).await, promise);
        must_be((user.counts(&new).await, user.counts(&next).await), (!is_next, is_next), promise);
        give_up(user.remove_by(0, &begun.id, false), polls).await;
        must(
            [0, 2].contains(&user.list().await.len()),
            "what was removed by a call that was given up is whole, or gone",
        );
        give_up(user.store(0).remove_all(user.user()), polls).await;
        answer(user.store(1).remove_all(user.user()).await);
        must(user.list().await.is_empty(), "nothing is listed after `remove_all`");
    }
}
