//! Rules whose futures panic where they are dropped, and logins that go from one task to another.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use http::StatusCode;
use tower::ServiceExt as _;
use tower_password_grant::rules::{LoginRule, Ruling, rule_fn};
use tower_password_grant::{BackendError, PasswordGrantLayer, TokenEndpoint};

use super::parts::clients;
use crate::support::faults::{Ledger, Switch, Users};
use crate::support::protection::counted_by;
use crate::support::{AUTH, PW, Probe, builder, from_peer, panics, token_request};

/// Answers at the last of so many polls, and may panic in its `Drop`.
struct Slow {
    polls: usize,
    panics: bool,
    woken_by: Arc<Mutex<Vec<Waker>>>,
}

impl Future for Slow {
    type Output = Result<Ruling, BackendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls -= 1;
        self.woken_by.lock().unwrap().push(cx.waker().clone());
        if self.polls == 0 { Poll::Ready(Ok(Ruling::proceed())) } else { Poll::Pending }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        assert!(!self.panics, "a rule's future panics on purpose where it is dropped");
    }
}

fn slow(name: &'static str, polls: usize, panics: bool, woken_by: &Arc<Mutex<Vec<Waker>>>) -> impl LoginRule + use<> {
    let woken_by = Arc::clone(woken_by);
    rule_fn(name, move |_| Slow { polls, panics, woken_by: Arc::clone(&woken_by) })
}

/// An endpoint of such rules, whose attempts a ledger counts.
fn ruled(rules: [impl LoginRule; 2], users: Users, ledger: &Ledger) -> PasswordGrantLayer {
    let [first, last] = rules;
    let builder = builder(&Probe::default()).clients(clients()).verifier(users).rule(first).rule(last);
    builder.attack_protection(counted_by(ledger.clone())).build().unwrap()
}

/// A login under way.
type Login = Pin<Box<dyn Future<Output = StatusCode>>>;

fn begun(endpoint: TokenEndpoint) -> Login {
    let request = from_peer(token_request(AUTH, PW), "192.0.2.1");
    Box::pin(async move { endpoint.oneshot(request).await.unwrap().status() })
}

/// A task, by the number of times that it was woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll(login: &mut Login, task: &Arc<Task>) -> Poll<StatusCode> {
    login.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(task))))
}

#[tokio::test]
async fn a_panic_where_the_future_of_a_rule_is_dropped_changes_nothing_of_what_the_rule_has_decided() {
    panics::quiet();
    for polls in [1, 2] {
        let ledger = Ledger::new(Switch::new(), Switch::new());
        let rules = ["first", "last"].map(|name| slow(name, polls, true, &Arc::default()));
        let mut login = begun(ruled(rules, Users::new(), &ledger).endpoint());
        let answer = (0..3).find_map(|_| match poll(&mut login, &Arc::default()) {
            Poll::Ready(status) => Some(status),
            Poll::Pending => None,
        });
        assert_eq!((answer, ledger.book().account.left), (Some(StatusCode::OK), 0), "{polls}");
    }
}

#[tokio::test]
async fn a_panic_where_the_future_of_a_rule_is_dropped_with_its_request_reaches_nobody() {
    panics::quiet();
    for rule in 0..2 {
        let ledger = Ledger::new(Switch::new(), Switch::new());
        let rules = [0, 1].map(|at| slow(["first", "last"][at], 1 + usize::from(at == rule), true, &Arc::default()));
        let mut login = begun(ruled(rules, Users::new(), &ledger).endpoint());
        assert!(poll(&mut login, &Arc::default()).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(login))).is_ok(), "{rule}");
        assert_eq!(ledger.book().account.left, 1);
    }
}

#[tokio::test]
async fn a_rule_wakes_the_task_that_its_login_is_in_whichever_it_was_before() {
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let (none, woken_by) = (Arc::default(), Arc::default());
    // Where the task is another one than at the start, it is polled for both.
    let rules = [slow("first", 1, false, &none), slow("last", 4, false, &woken_by)];
    let users = Users { verify: Switch::waiting(1), ..Users::new() };
    let mut login = begun(ruled(rules, users, &ledger).endpoint());
    let tasks: [Arc<Task>; 4] = Default::default();
    // It goes to another task while the verifier decides, and to a third one while a rule does.
    assert!(poll(&mut login, &tasks[0]).is_pending());
    for task in &tasks[1..3] {
        assert!(poll(&mut login, task).is_pending());
        let last = woken_by.lock().unwrap().last().cloned();
        last.expect("the rule was polled").wake();
        assert_eq!(task.0.load(SeqCst), 1);
    }
    assert_eq!(poll(&mut login, &tasks[3]), Poll::Ready(StatusCode::OK));
    // The verifier alone has woken it.
    assert_eq!(tasks[0].0.load(SeqCst), 1);
}
