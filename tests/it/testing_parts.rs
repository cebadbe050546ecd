//! The parts of feature `testing`, as an application's own tests use them.

use std::time::{Duration, SystemTime};

use tower_password_grant::client::Sunset;
use tower_password_grant::testing::{AttemptError, ManualClock, attempt};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier as _, Scope, Subject, Verdict, verify_fn,
};

use crate::support::{CONF, FIRST_LOCK, Fixture, PW};

#[test]
fn an_attempt_carries_what_it_was_given_and_prints_none_of_it() {
    let made = attempt("alice", "correct horse")
        .client(Client::public("tv").realm("staff").build().unwrap())
        .scope("write read")
        .field("device", "tv")
        .field("device", "radio")
        .address([192, 0, 2, 1])
        .extension(7_u32)
        .build()
        .unwrap();
    assert_eq!((made.username(), made.password().expose()), ("alice", "correct horse"));
    assert_eq!((made.client().id().as_str(), made.realm(), made.scope().as_str()), ("tv", Some("staff"), "read write"));
    assert_eq!(made.fields().collect::<Vec<_>>(), [("device", "tv"), ("device", "radio")]);
    assert_eq!((made.address(), made.extensions().get::<u32>()), ("192.0.2.1".parse().ok(), Some(&7)));
    let shown = format!("{made:?} {:?}", attempt("alice", "correct horse"));
    assert!(!shown.contains("horse") && !shown.contains("alice"), "{shown}");
    assert_eq!(made.into_password().expose(), "correct horse");
    assert!(matches!(attempt("a", "b").scope("a  b").build(), Err(AttemptError::Scope(_))));
}

#[test]
fn an_attempt_is_of_a_realm_that_its_client_lists() {
    let client = || Client::public("tv").realms(["staff", "guests"]).build().unwrap();
    assert_eq!(attempt("a", "b").client(client()).build().unwrap().realm(), Some("staff"));
    assert_eq!(attempt("a", "b").client(client()).realm("guests").build().unwrap().realm(), Some("guests"));
    for odd in [attempt("a", "b").client(client()).realm("nowhere"), attempt("a", "b").realm("staff")] {
        assert!(matches!(odd.build(), Err(AttemptError::Realm)));
    }
}

#[tokio::test]
async fn a_lock_ends_when_the_clock_says_so() {
    let clock = ManualClock::new();
    let fixture = Fixture::with(|builder| builder.clock(clock.clone()));
    for guess in 0..10 {
        let wrong = format!("grant_type=password&username=alice&password=wrong{guess}");
        fixture.token(&[("authorization", CONF)], &wrong).await.assert_error(400, "invalid_grant");
    }
    // Turning the wall clock opens no lock.
    clock.set_wall(SystemTime::now() + FIRST_LOCK * 10);
    let locked = fixture.token(&[("authorization", CONF)], PW).await;
    locked.assert_error(429, "too_many_attempts");
    assert_eq!(locked.header("retry-after"), Some("900"));
    clock.advance(FIRST_LOCK - Duration::from_millis(1));
    fixture.token(&[("authorization", CONF)], PW).await.assert_error(429, "too_many_attempts");
    clock.advance(Duration::from_millis(1));
    fixture.token(&[("authorization", CONF)], PW).await.assert_ok();
    assert_eq!(fixture.probe.calls(), 11);
}

#[tokio::test]
async fn a_sunset_takes_effect_at_its_moment() {
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_060);
    let client = Client::public("old").allow_password_grant().scopes("read").default_scope("read");
    let client = client.sunset(Sunset::at(end)).build().unwrap();
    let clients = tower_password_grant::StaticClients::new([client]).unwrap();
    let fixture = Fixture::with(|builder| builder.clients(clients).clock(clock.clone()));
    let pw = format!("{PW}&client_id=old");
    clock.advance(Duration::from_secs(59));
    let answer = fixture.token(&[], &pw).await;
    answer.assert_ok();
    assert_eq!(answer.header("sunset"), Some("Fri, 15 Jan 2027 08:01:00 GMT"));
    clock.advance(Duration::from_secs(1));
    fixture.token(&[], &pw).await.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn what_a_verifier_answered_can_be_looked_at() -> Result<(), Box<dyn std::error::Error>> {
    let verifier = verify_fn(|attempt: Attempt| async move {
        let user = attempt.field("user").ok_or("no user")?.to_owned();
        Ok(Verdict::granted_within(Subject::new(user), attempt.scope().clone()))
    });
    let ask = async |attempt| verifier.verify(attempt).await.map_err(BackendError::into_error);
    let Verdict::Granted(user) = ask(attempt("a", "b").field("user", "user-1").scope("read").build()?).await? else {
        panic!("denied");
    };
    assert_eq!((user.subject().id(), user.scope().map(Scope::as_str)), ("user-1", Some("read")));
    assert_eq!(ask(attempt("a", "b").build()?).await.unwrap_err().to_string(), "no user");
    let busy = BackendError::overloaded(Duration::from_secs(1)).into_error();
    assert_eq!(busy.to_string(), "too much work waits already: try again in 1 s");
    Ok(())
}
