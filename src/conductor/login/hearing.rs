//! Hearing the login rules of the application, one after the other: the first that refuses ends it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use crate::boundary::backend::{BackendError, BackendErrorKind};
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::ruled::{self, Ruled};
use crate::boundary::login_event::{LoginEvent, LoginRequest};
use crate::boundary::login_rule::LoginRule;
use crate::conductor::failure::Failure;
use crate::observe::contain::{Contain, Cut, begin};
use crate::observe::patience::answered;
use crate::protocol::rules::denial::RuleDenial;
use crate::protocol::rules::error::RulingError;
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

    /// Asks each rule about a login, which takes in what they decide.
    pub(super) async fn hear(&self, login: &mut Login, request: &LoginRequest) -> Result<(), Failure> {
        let mut event = None;
        for rule in &self.rules {
            let event_of_rule = event.get_or_insert_with(|| login.event(request)).clone();
            let ruled = rule.decide(event_of_rule, self.patience).await;
            let ruled = ruled.map_err(|Unruled(error)| rule.failed(error))?;
            if login.follow(ruled).map_err(|objection| self.objected(rule, objection))? {
                // The next rule sees what this one decided.
                event = None;
            }
        }
        Ok(())
    }

    fn objected(&self, rule: &NamedRule, objection: Objection) -> Failure {
        let reason = match objection {
            Objection::Denied(reason) => Some(reason),
            Objection::InteractionRequired => None,
            Objection::Unfit(error) => return rule.failed(error.into()),
        };
        let denial = RuleDenial::new(Arc::clone(&rule.name), reason);
        Failure::Decided(TokenError::of_rule(denial, self.reveals_denials))
    }
}

impl NamedRule {
    /// Asks the rule. A panic is contained, whether it comes before its future or within.
    async fn decide(&self, login: LoginEvent, patience: Option<Duration>) -> Result<Ruled, Unruled> {
        let begun = begin(|| ruled::apply(&*self.rule, login))?.map(|answer| answer.map_err(Unruled));
        answered!(begun, waiting => Contain::new(patience, async move { waiting.await.map_err(Unruled) }))
    }

    /// Nothing was decided. The credentials were right, so it was no guess.
    fn failed(&self, error: BackendError) -> Failure {
        // A second try rules the same.
        let is_misruled = error.source.as_ref().is_some_and(|source| source.is::<RulingError>());
        let kind = if is_misruled { BackendErrorKind::Fault } else { error.kind };
        let source = RuleError { rule: Arc::clone(&self.name), cause: error.source };
        Failure::of(BackendError { kind, source: Some(Box::new(source)), ..error }, Reason::RuleFailed)
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
