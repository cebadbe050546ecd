//! Hearing the login rules of the application, one after the other: the first that refuses ends it.

use std::error::Error;
use std::mem;
use std::pin::Pin;
use std::slice;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use crate::boundary::backend::BackendError;
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::ruled::{self, Deciding, Ruled, Stopped};
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::LoginRule;
use crate::conductor::failure::Failure;
use crate::observe::contain::{Contain, Cut, begin};
use crate::protocol::rules::error::RulingError;
use crate::protocol::rules::refusal::RuleRefusal;
use crate::protocol::rules::ruling::Objection;
use crate::protocol::wire::error::{Reason, TokenError};

/// A rule, with its name.
pub(crate) struct NamedRule {
    pub(crate) name: Arc<str>,
    pub(crate) rule: Box<dyn LoginRule>,
}

/// The rules, in their order.
pub(crate) struct LoginRules {
    rules: Vec<NamedRule>,
    /// The time of each.
    patience: Option<Duration>,
    /// The client sees the reason of a denial.
    reveals_denials: bool,
}

impl LoginRules {
    pub(crate) fn new(rules: Vec<NamedRule>, patience: Option<Duration>, reveals_denials: bool) -> Self {
        Self { rules, patience, reveals_denials }
    }

    pub(super) fn count(&self) -> usize {
        self.rules.len()
    }

    /// Begins to ask the rules about the login of this event.
    #[inline]
    pub(super) fn hear(&self, event: LoginEvent) -> Hearing<'_> {
        Hearing { rules: self, left: self.rules.iter(), event, is_stale: false, deciding: None, awaited_by: None }
    }

    /// Has the login take in what a rule has decided, and answers whether that changes anything.
    fn take_in(
        &self,
        login: &mut Login,
        rule: &NamedRule,
        ruled: Result<Ruled, Box<Stopped>>,
    ) -> Result<bool, Failure> {
        let ruled = ruled.map_err(|stopped| self.stopped(rule, *stopped))?;
        login.follow(ruled, &rule.name).map_err(|error| rule.failed(error.into()))
    }

    #[cold]
    fn stopped(&self, rule: &NamedRule, stopped: Stopped) -> Failure {
        let name = Arc::clone(&rule.name);
        let refusal = match stopped {
            Stopped::Refused(Objection::Denied(reason)) => RuleRefusal::denied(name, reason),
            Stopped::Refused(Objection::InteractionRequired) => RuleRefusal::interaction_required(name),
            Stopped::Refused(Objection::Unfit(error)) => return rule.failed(error.into()),
            Stopped::Undecided(error) => return rule.failed(error),
        };
        Failure::Decided(TokenError::of_rule(refusal, self.reveals_denials))
    }
}

/// The rules at work on one login, which takes in what they decide.
pub(super) struct Hearing<'a> {
    rules: &'a LoginRules,
    left: slice::Iter<'a, NamedRule>,
    event: LoginEvent,
    /// The event lacks what was decided last.
    is_stale: bool,
    /// The rule that takes its time.
    deciding: Option<(&'a NamedRule, Contain<Deciding<'a>>)>,
    /// The task that this rule wakes, where it was polled before the hearing has its place.
    awaited_by: Option<Waker>,
}

impl<'a> Hearing<'a> {
    /// Polled for this task, and still to be moved: the next poll in it comes too early.
    pub(super) fn awaited_by(mut self, task: Waker) -> Self {
        self.awaited_by = Some(task);
        self
    }

    /// Asks one rule after the other, until one takes its time or refuses.
    pub(super) fn poll(&mut self, login: &mut Login, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // Both are clones: a waker and its clone may have two addresses of one table. A poll too many does no harm.
        if self.awaited_by.take().is_some_and(|task| task.will_wake(&cx.waker().clone())) {
            return Poll::Pending;
        }
        loop {
            let (rule, ruled) = match &mut self.deciding {
                Some((rule, deciding)) => (*rule, ready!(Pin::new(deciding).poll(cx))),
                None => {
                    let Some(rule) = self.left.next() else { return Poll::Ready(Ok(())) };
                    if mem::take(&mut self.is_stale) {
                        login.show(&mut self.event);
                    }
                    (rule, ready!(self.ask(rule, cx)))
                }
            };
            self.deciding = None;
            self.is_stale = self.rules.take_in(login, rule, ruled)?;
        }
    }

    /// Asks a rule, and polls its answer for the first time. A panic is contained, before its future and within.
    fn ask(&mut self, rule: &'a NamedRule, cx: &mut Context<'_>) -> Poll<Result<Ruled, Box<Stopped>>> {
        let begun = begin(|| match ruled::ask(&*rule.rule, &self.event, cx) {
            Ok(answer) => Poll::Ready(answer),
            Err(deciding) => {
                self.deciding = Some((rule, Contain::begun(self.rules.patience, deciding, cx)?));
                Poll::Pending
            }
        });
        begun.unwrap_or_else(|cut| Poll::Ready(Err(cut.into())))
    }
}

impl NamedRule {
    /// Nothing was decided. The credentials were right, so it was no guess.
    #[cold]
    fn failed(&self, error: BackendError) -> Failure {
        let error = error.or_fault_of::<RulingError>();
        let source = RuleError { rule: Arc::clone(&self.name), cause: error.source };
        let failure = Failure::of(BackendError { source: Some(Box::new(source)), ..error }, Reason::RuleFailed);
        failure.refused_by(RuleRefusal::failed(Arc::clone(&self.name)))
    }
}

impl From<Cut> for Box<Stopped> {
    fn from(cut: Cut) -> Self {
        Self::new(Stopped::Undecided(match cut {
            Cut::Overdue => BackendError::unavailable(cut),
            Cut::Panicked => BackendError::fault(cut),
        }))
    }
}

/// What telemetry learns of a rule that did not decide.
#[derive(Debug, thiserror::Error)]
#[error("the login rule `{rule}` failed")]
struct RuleError {
    rule: Arc<str>,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}
