//! The same for clients: no later answer tells somebody who guesses at a secret whether the client exists, how it
//! authenticates, or whether the secret was right until lately.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tower_password_grant::limiter::{Limits, Lockout, TokenBucket};
use tower_password_grant::{Client, PasswordGrantLayer, StaticClients};

use super::{Counted, Counter};
use crate::support::folder::at;
use crate::support::protection::counted_by;
use crate::support::{self, PW, Probe, basic, from_peer, send, token_request};

/// The secret that was leaked: right for nobody any more.
const LEAKED: &str = "leaked-secret";
const IDS: [&str; 5] = ["nobody", "wrong", "expired", "public", "by-method"];
const PEERS: [&str; 3] = ["192.0.2.1", "198.51.100.7", "2001:db8::7"];

fn layer(counter: &Counter) -> PasswordGrantLayer {
    let (current, leaked) = (support::digest("current"), support::digest(LEAKED));
    let clients = [
        Client::confidential("wrong", &current),
        Client::confidential("expired", &current).secret(&leaked, Some(at(0))),
        Client::public("public"),
        Client::with_method("by-method", "private_key_jwt"),
    ]
    .map(|client| client.allow_password_grant().scopes("read").default_scope("read").build().unwrap());
    support::builder(&Probe::default())
        .clients(StaticClients::new(clients).unwrap())
        .attack_protection(counted_by(Arc::clone(&counter.limiter)))
        .clock(counter.clock.clone())
        .build()
        .unwrap()
}

/// One guess: after so many seconds, from a peer, with a secret (0 is the leaked one), in the header or in the body.
type Guess = (u64, usize, usize, bool);

fn guess() -> impl Strategy<Value = Guess> {
    let wait = prop_oneof![6 => Just(0_u64), 2 => 1..40_u64, 1 => 60..2000_u64];
    (wait, 0..PEERS.len(), 0..3_usize, any::<bool>())
}

async fn history(counted: Counted, (pair, address): (u32, u32), id: &str, guesses: &[Guess]) -> Vec<String> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let limits = Limits::new()
        .with_client_and_address_budget(Lockout::new(pair, minutes(30)).locked_for(minutes(5), minutes(20)))
        .with_address_budget(TokenBucket::new(address, minutes(1)));
    let counter = Counter::new(counted, limits);
    let layer = layer(&counter);
    let mut answers = Vec::new();
    for (wait, peer, secret, in_header) in guesses {
        counter.clock.advance(Duration::from_secs(*wait));
        let secret = [LEAKED, "another", "a third"][*secret];
        let request = if *in_header {
            token_request(&[("authorization", &basic(id, secret))], PW)
        } else {
            token_request(&[], &format!("{PW}&client_id={id}&client_secret={secret}"))
        };
        let answer = send(&layer, from_peer(request, PEERS[*peer])).await;
        answers.push(format!("{} {:?} {:?}", answer.status, answer.headers, answer.body));
    }
    counter.close().await;
    answers
}

fn compare(counted: Counted, budgets: (u32, u32), ids: &[&str], guesses: &[Guess]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let first = history(counted, budgets, ids[0], guesses).await;
        for id in &ids[1..] {
            prop_assert_eq!(&history(counted, budgets, id, guesses).await, &first, "{} and {}", ids[0], id);
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_of_twenty_tells_apart_clients_that_fail_alike_in_memory(
        budgets in (2..7_u32, 4..24_u32),
        guesses in vec(guess(), 20),
    ) {
        compare(Counted::InMemory, budgets, &IDS, &guesses)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_of_twenty_tells_apart_clients_that_fail_alike_in_sqlite(
        budgets in (2..7_u32, 4..24_u32),
        guesses in vec(guess(), 20),
        (one, other) in (0..IDS.len(), 1..IDS.len()),
    ) {
        compare(Counted::InSqlite, budgets, &[IDS[one], IDS[(one + other) % IDS.len()]], &guesses)?;
    }
}
