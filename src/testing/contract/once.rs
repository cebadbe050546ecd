//! The promises of [`OneTimeValues`].

use std::sync::Arc;

use super::promise::{PARALLEL, ROUNDS, answer, later, must, must_be, new_digest, present, together};
use crate::boundary::once::OneTimeValues;

pub(super) async fn in_turn<S: OneTimeValues>(store: S) {
    let until = later(present(), 600_000);
    let values: Vec<_> = (0..100).map(|_| new_digest()).collect();
    for value in &values {
        must(answer(store.consume(value, until).await), "`consume` is true for a value that is unspent");
    }
    for until in [until, later(until, 1), later(until, 600_000)] {
        for value in &values {
            must(!answer(store.consume(value, until).await), "a value that is spent stays so until it expires");
        }
    }
    must(answer(store.consume(&new_digest(), until).await), "`consume` spends no other value");
}

pub(super) async fn parallel<S: OneTimeValues>(store: S) {
    let (store, until) = (Arc::new(store), later(present(), 600_000));
    for _ in 0..ROUNDS {
        let (value, other) = (new_digest(), new_digest());
        let calls = (0..PARALLEL).map(|_| {
            let (store, value) = (Arc::clone(&store), value.clone());
            async move { answer(store.consume(&value, until).await) }
        });
        let spent = together(calls).await.into_iter().filter(|spent| *spent).count();
        must_be(spent, 1, "of parallel calls of `consume` for one value exactly one is true");
        must(answer(store.consume(&other, until).await), "`consume` spends no other value");
        must(!answer(store.consume(&value, until).await), "a value that is spent stays so until it expires");
    }
}
