//! The promises of [`OneTimeValues`].

use super::promise::{Handles, PARALLEL, ROUNDS, answer, give_up, later, must, must_be, new_digest, present, together};
use crate::boundary::once::OneTimeValues;

pub(super) async fn in_turn<S: OneTimeValues>(store: S) {
    let until = later(present(), 600_000);
    let values: Vec<_> = (0..100).map(|_| new_digest()).collect();
    for value in &values {
        must(
            !answer(store.is_spent(value).await),
            "`is_spent` is false for a value that is unspent, and spends it not",
        );
        must(answer(store.consume(value, until).await), "`consume` is true for a value that is unspent");
        must(answer(store.is_spent(value).await), "`is_spent` is true for a value that is spent");
    }
    for until in [until, later(until, 1), later(until, 600_000)] {
        for value in &values {
            must(!answer(store.consume(value, until).await), "a value that is spent stays so until it expires");
        }
    }
    must(answer(store.consume(&new_digest(), until).await), "`consume` spends no other value");
}

pub(super) async fn parallel<S: OneTimeValues>(handles: [S; 2]) {
    let (handles, until) = (Handles::new(handles), later(present(), 600_000));
    for _ in 0..ROUNDS {
        let (value, other) = (new_digest(), new_digest());
        let calls = (0..PARALLEL).map(|number| {
            let (handles, value) = (handles.clone(), value.clone());
            async move { answer(handles.get(number).consume(&value, until).await) }
        });
        let spent = together(calls).await.into_iter().filter(|spent| *spent).count();
        must_be(spent, 1, "of parallel calls of `consume` for one value exactly one is true");
        must(answer(handles.get(0).consume(&other, until).await), "`consume` spends no other value");
        for handle in 0..2 {
            let promise = "a value that is spent stays so until it expires, over any handle";
            must(answer(handles.get(handle).is_spent(&value).await), promise);
            must(!answer(handles.get(handle).consume(&value, until).await), promise);
        }
    }
}

/// A value that was spent by a call whose answer nobody got.
pub(super) async fn lost_answers<S: OneTimeValues>(handles: [S; 2]) {
    let (handles, until) = (Handles::new(handles), later(present(), 600_000));
    for polls in 0..20 {
        let value = new_digest();
        give_up(handles.get(0).consume(&value, until), polls).await;
        // It may be unspent still, or not; after this call it is spent.
        answer(handles.get(1).consume(&value, until).await);
        for handle in 0..2 {
            let promise = "a value is spent once `consume` was asked for it, though an earlier call was given up";
            must(!answer(handles.get(handle).consume(&value, until).await), promise);
        }
    }
}
