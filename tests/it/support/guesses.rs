//! Guesses at passwords from any address, and what the audit trail says of them.

use std::sync::{Arc, Mutex};

use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::limiter::Limit;

use crate::support::{AUTH, Answer, Fixture, FixtureBuilder, ManualClock, from_peer, token_request};

/// The form of a login by password.
pub fn login(name: &str, password: &str) -> String {
    serde_urlencoded::to_string([("grant_type", "password"), ("username", name), ("password", password)]).unwrap()
}

/// An endpoint whose time stands still, and its events for each request.
#[derive(Clone)]
pub struct Bed {
    pub fixture: Fixture,
    pub clock: ManualClock,
    told: Arc<Mutex<Vec<Told>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Why it was refused.
    pub reason: Option<Reason>,
    /// The limit that refused it.
    pub limit: Option<Limit>,
    /// The limit that would have refused it.
    pub monitored: Option<Limit>,
}

impl Bed {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Self {
        Self::on(ManualClock::new(), change)
    }

    /// With a clock that something else shares.
    pub fn on(clock: ManualClock, change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let (time, tell) = (clock.clone(), Arc::clone(&told));
        let fixture = Fixture::with(|builder| {
            change(builder.clock(time).audit(move |event: &AuditEvent<'_>| {
                let reason = match event.outcome {
                    AuditOutcome::Refused { reason, .. } => Some(reason),
                    _ => None,
                };
                tell.lock().unwrap().push(Told { reason, limit: event.limit, monitored: event.monitored });
            }))
        });
        Self { fixture, clock, told }
    }

    /// A login through the client `conf`.
    pub async fn try_from(&self, peer: &str, name: &str, password: &str) -> Answer {
        self.fixture.send(from_peer(token_request(AUTH, &login(name, password)), peer)).await
    }

    /// Any form with these headers.
    pub async fn post_from(&self, peer: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.fixture.send(from_peer(token_request(headers, body), peer)).await
    }

    pub fn verified(&self) -> usize {
        self.fixture.probe.calls()
    }

    /// The event of the last request.
    pub fn last(&self) -> Told {
        *self.told.lock().unwrap().last().unwrap()
    }
}

#[track_caller]
pub fn assert_throttled(answer: &Answer, seconds: u64) {
    answer.assert_error(429, "too_many_attempts");
    assert_eq!(answer.header("retry-after"), Some(seconds.to_string().as_str()));
}

#[track_caller]
pub fn assert_denied(answer: &Answer) {
    answer.assert_error(400, "invalid_grant");
}
