//! Hearing the login rules of the application, one after the other: the first that refuses ends it.

use std::error::Error;
use std::mem;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use crate::boundary::backend::{BackendError, BackendErrorKind};
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::ruled::{self, Asked, Ruled};
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
    pub(super) fn hear(&self, event: LoginEvent) -> Hearing<'_> {
        Hearing { rules: self, left: self.rules.iter(), event, is_stale: false, asked: None }
    }

    /// Has the login take in what a rule has decided, and answers whether that changes anything.
    fn take_in(&self, login: &mut Login, rule: &NamedRule, ruled: Result<Ruled, Unruled>) -> Result<bool, Failure> {
        let ruled = ruled.map_err(|Unruled(error)| rule.failed(error))?;
        login.follow(ruled, &rule.name).map_err(|objection| self.objected(rule, objection))
    }

    #[cold]
    fn objected(&self, rule: &NamedRule, objection: Objection) -> Failure {
        let name = Arc::clone(&rule.name);
        let refusal = match objection {
            Objection::Denied(reason) => RuleRefusal::denied(name, reason),
            Objection::InteractionRequired => RuleRefusal::interaction_required(name),
            Objection::Unfit(error) => return rule.failed(error.into()),
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
    asked: Option<(&'a NamedRule, Asked<'a>)>,
}

impl Hearing<'_> {
    /// Asks the rules that are left, until one takes its time: then there is no end yet.
    pub(super) fn go_on(&mut self, login: &mut Login) -> Option<Result<(), Failure>> {
        for rule in self.left.by_ref() {
            if mem::take(&mut self.is_stale) {
                login.show(&mut self.event);
            }
            let ruled = match rule.ask(self.event.clone()) {
                Ok(ruled) => ruled,
                Err(asked) => {
                    self.asked = Some((rule, asked));
                    return None;
                }
            };
            match self.rules.take_in(login, rule, ruled) {
                Ok(has_changed) => self.is_stale = has_changed,
                Err(failure) => return Some(Err(failure)),
            }
        }
        Some(Ok(()))
    }

    /// Hears them out, those that take their time, too.
    pub(super) async fn conclude(&mut self, login: &mut Login) -> Result<(), Failure> {
        loop {
            if let Some((rule, asked)) = self.asked.take() {
                let answering = async move { asked.await.map_err(Unruled) };
                let ruled = Contain::new(self.rules.patience, answering).await;
                self.is_stale = self.rules.take_in(login, rule, ruled)?;
            }
            if let Some(end) = self.go_on(login) {
                return end;
            }
        }
    }
}

impl NamedRule {
    /// Asks the rule. `Err` holds the call, if its answer is not there at once. A panic is contained, before its future and within.
    fn ask(&self, login: LoginEvent) -> Result<Result<Ruled, Unruled>, Asked<'_>> {
        match begin(|| ruled::apply(&*self.rule, login)) {
            Ok(Ok(answer)) => Ok(answer.map_err(Unruled)),
            Ok(Err(asked)) => Err(asked),
            Err(cut) => Ok(Err(cut.into())),
        }
    }

    /// Nothing was decided. The credentials were right, so it was no guess.
    #[cold]
    fn failed(&self, error: BackendError) -> Failure {
        // A second try rules the same.
        let kind = if error.comes_of::<RulingError>() { BackendErrorKind::Fault } else { error.kind };
        let source = RuleError { rule: Arc::clone(&self.name), cause: error.source };
        let failure = Failure::of(BackendError { kind, source: Some(Box::new(source)), ..error }, Reason::RuleFailed);
        failure.refused_by(RuleRefusal::failed(Arc::clone(&self.name)))
    }
}

/// No ruling.
struct Unruled(BackendError);

impl From<Cut> for Unruled {
    fn from(cut: Cut) -> Self {
        Self(match cut {
            Cut::Overdue => BackendError::unavailable(cut),
            Cut::Panicked => BackendError::fault(cut),
        })
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
