//! An extension grant that names no account counts on its address: what was denied stays counted, and nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tower_password_grant::limiter::Limits;
use tower_password_grant::{BackendError, Client, Denial, PasswordGrantLayer, StaticClients, Subject};

use super::{BOTH, Counted, Counter};
use crate::support::grants::OwnGrant;
use crate::support::protection::counted_by;
use crate::support::{self, Answer, Probe, from_peer, send, token_request};

const GRANT: &str = "urn:x:assertion";

/// A grant that asks elsewhere about its assertion, and counts that.
fn assertion(asked: &Arc<AtomicUsize>) -> OwnGrant {
    let asked = Arc::clone(asked);
    OwnGrant::new(GRANT, &["assertion"], move |request| {
        asked.fetch_add(1, SeqCst);
        Ok(match request.field("assertion") {
            Some("signed") => Subject::new("user-17").into(),
            Some("down") => return Err(BackendError::unavailable("no line")),
            Some("busy") => return Err(BackendError::overloaded(Duration::from_secs(1))),
            _ => Denial::WrongPassword.into(),
        })
    })
}

struct World {
    counter: Counter,
    layer: PasswordGrantLayer,
    asked: Arc<AtomicUsize>,
}

impl World {
    fn new(counted: Counted) -> Self {
        let counter = Counter::new(counted, Limits::new());
        let asked = Arc::default();
        let client = Client::public("pub").allow_grant(GRANT).scopes("read").default_scope("read").build().unwrap();
        let layer = support::builder(&Probe::default())
            .clients(StaticClients::new([client]).unwrap())
            .extension_grant(assertion(&asked))
            .attack_protection(counted_by(Arc::clone(&counter.limiter)))
            .clock(counter.clock.clone())
            .build()
            .unwrap();
        Self { counter, layer, asked }
    }

    async fn send(&self, peer: &str, assertion: &str) -> Answer {
        let form = [("grant_type", GRANT), ("assertion", assertion), ("client_id", "pub")];
        let body = serde_urlencoded::to_string(form).unwrap();
        send(&self.layer, from_peer(token_request(&[], &body), peer)).await
    }
}

#[tokio::test]
async fn made_up_assertions_of_one_address_are_refused_after_300_and_are_not_looked_at() {
    for counted in BOTH {
        let world = World::new(counted);
        for guess in 0..300 {
            world.send("192.0.2.1", &format!("made up {guess}")).await.assert_error(400, "invalid_grant");
        }
        for assertion in ["another", "signed"] {
            let refused = world.send("192.0.2.1", assertion).await;
            refused.assert_error(429, "too_many_attempts");
            assert_eq!(refused.header("retry-after"), Some("60"), "{counted:?}");
        }
        assert_eq!(world.asked.load(SeqCst), 300);
        world.send("198.51.100.7", "signed").await.assert_ok();
        world.counter.clock.advance(Duration::from_secs(60));
        world.send("192.0.2.1", "signed").await.assert_ok();
    }
}

#[tokio::test]
async fn right_assertions_and_those_that_could_not_be_decided_stay_uncharged() {
    for counted in BOTH {
        let world = World::new(counted);
        for _ in 0..110 {
            world.send("192.0.2.1", "signed").await.assert_ok();
            world.send("192.0.2.1", "down").await.assert_error(503, "temporarily_unavailable");
            world.send("192.0.2.1", "busy").await.assert_error(503, "temporarily_unavailable");
        }
        assert_eq!(world.asked.load(SeqCst), 330);
        // All 300 are left.
        for guess in 0..300 {
            world.send("192.0.2.1", &guess.to_string()).await.assert_error(400, "invalid_grant");
        }
        world.send("192.0.2.1", "signed").await.assert_error(429, "too_many_attempts");
    }
}
