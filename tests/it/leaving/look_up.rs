//! Exceptions that the application keeps.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::BackendError;
use tower_password_grant::audit::Reason;
use tower_password_grant::client::{Sunset, SunsetExceptions, WhoIsOut};

use super::{Bed, assert_out, bytes, day, login, plan, ramp};
use crate::support::faults::{FAILURES, Mode, Switch};
use crate::support::{from_peer, panics, token_request};

/// A table of one user, with what was asked of it.
#[derive(Clone)]
pub struct Table {
    pub switch: Switch,
    kim: SystemTime,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Table {
    pub fn new() -> Self {
        Self { switch: Switch::new(), kim: day(120), asked: Arc::default() }
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl SunsetExceptions for Table {
    async fn excepted_until(&self, user: WhoIsOut<'_>) -> Result<Option<SystemTime>, BackendError> {
        let WhoIsOut { client, realm, subject, .. } = user;
        self.asked.lock().unwrap().push(format!("{client} {realm:?} {subject}"));
        self.switch.pass().await?;
        Ok((subject.trim_start_matches("user-") == "kim").then_some(self.kim))
    }
}

fn with_table(plan: Sunset) -> (Bed, Table) {
    let table = Table::new();
    let bed = Bed::with(plan, |builder| builder.sunset_exceptions(Arc::new(table.clone())));
    (bed, table)
}

pub fn looked_up() -> Sunset {
    plan().look_up_exceptions(day(150)).unwrap()
}

#[tokio::test]
async fn a_look_up_is_asked_about_users_who_would_be_refused_once_their_password_is_right() {
    let (bed, table) = with_table(looked_up());
    bed.login("kim").await.assert_ok();
    bed.go_to(day(100));
    bed.token(&login("kim", "wrong")).await.assert_error(400, "invalid_grant");
    assert!(table.asked.lock().unwrap().is_empty());
    let charged = bed.charged();
    bed.login("kim").await.assert_ok();
    assert_out(&bed.login("lee").await);
    assert_eq!(bed.reason(), Some(Reason::GrantSunset));
    assert!(bed.charged() <= charged);
    assert_eq!(*table.asked.lock().unwrap(), ["app None kim", "app None lee"]);
    // Its date is held against the clock of the endpoint.
    bed.go_to(day(120));
    assert_out(&bed.login("kim").await);
    // After the last day of looking up nobody is asked, and no password is needed.
    bed.go_to(day(150));
    let (asked, calls) = (table.asked.lock().unwrap().len(), bed.calls());
    assert_out(&bed.login("kim").await);
    assert_eq!((table.asked.lock().unwrap().len(), bed.calls()), (asked, calls));
}

#[tokio::test]
async fn a_look_up_is_asked_on_the_ramp_about_those_alone_whom_it_has_reached() {
    let (bed, table) = with_table(ramp().except("ann", day(120)).unwrap().look_up_exceptions(day(150)).unwrap());
    bed.go_to(day(75));
    let mut out = 0;
    for index in 0..40 {
        let answer = bed.login(&format!("user-{index}")).await;
        out += usize::from(answer.status != 200);
    }
    assert!((5..35).contains(&out), "{out}");
    assert_eq!(table.asked.lock().unwrap().len(), out);
    bed.go_to(day(100));
    bed.login("ann").await.assert_ok();
    assert_eq!(table.asked.lock().unwrap().len(), out, "who stands in the registration is not looked up");
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_fails_is_an_error_of_ours_and_what_was_charged_goes_back() {
    panics::quiet();
    let (bed, table) = with_table(looked_up());
    bed.go_to(day(100));
    for (mode, status, code, wait) in FAILURES {
        table.switch.set(mode);
        let answer = bed.login("kim").await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(code)), "{mode:?}");
        assert_eq!(answer.header("retry-after"), wait, "{mode:?}");
        let (reason, left) = match mode {
            Mode::Overloaded => (Reason::Overloaded, 0),
            // Nothing is known of what has panicked, so this one stays.
            Mode::Panic => (Reason::Panicked, 1),
            _ => (Reason::ExceptionsFailed, 0),
        };
        assert_eq!((bed.reason(), bed.charged()), (Some(reason), left), "{mode:?}");
        assert_eq!(table.switch.alive(), 0, "{mode:?}");
    }
    table.switch.set(Mode::Work);
    bed.login("kim").await.assert_ok();
}

#[tokio::test]
async fn a_client_that_hangs_up_while_it_is_looked_up_ends_the_look_up_and_stays_charged() {
    let (bed, table) = with_table(looked_up());
    bed.go_to(day(100));
    table.switch.set(Mode::Hang);
    let request = token_request(&[], &format!("client_id=app&{}", login("kim", "right")));
    let inner = service_fn(|_: http::Request<Full<Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let mut answering = Box::pin(bed.layer.layer(inner).oneshot(from_peer(request, "192.0.2.1")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(answering.as_mut().poll(&mut cx), Poll::Pending));
    assert_eq!(table.switch.alive(), 1);
    drop(answering);
    assert_eq!((table.switch.alive(), bed.charged()), (0, 1));
}

#[tokio::test]
async fn a_plan_that_looks_up_where_there_is_nothing_to_ask_is_a_fault_of_ours_and_no_wrong_password() {
    let bed = Bed::new(looked_up());
    bed.go_to(day(100));
    let wrong = bed.token(&login("kim", "wrong")).await;
    let answer = bed.login("kim").await;
    assert_eq!((answer.status.as_u16(), bed.reason()), (500, Some(Reason::ExceptionsFailed)));
    assert_eq!(bytes(&bed.token(&login("lee", "wrong")).await), bytes(&wrong));
}
