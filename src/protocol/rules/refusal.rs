//! Which login rule has ended a login, and how.

use std::sync::Arc;

use crate::protocol::wire::host_code::ErrorText;

/// The login rule that ended a login: for telemetry and audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRefusal {
    rule: Arc<str>,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Denied(ErrorText),
    InteractionRequired,
    NothingLeft,
    Failed,
}

/// How a login rule ended a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleRefusalKind<'a> {
    /// It answered [`Ruling::deny`](crate::rules::Ruling::deny).
    #[non_exhaustive]
    Denied {
        /// What it gave as its reason.
        reason: &'a str,
    },
    /// It answered [`Ruling::interaction_required`](crate::rules::Ruling::interaction_required).
    InteractionRequired,
    /// It took the last of the login's scope away ([`Ruling::remove_scope`](crate::rules::Ruling::remove_scope)).
    NothingLeft,
    /// It failed to decide. The cause goes to telemetry.
    Failed,
}

impl RuleRefusal {
    pub(crate) const fn denied(rule: Arc<str>, reason: ErrorText) -> Self {
        Self { rule, cause: Cause::Denied(reason) }
    }

    pub(crate) const fn interaction_required(rule: Arc<str>) -> Self {
        Self { rule, cause: Cause::InteractionRequired }
    }

    pub(crate) const fn nothing_left(rule: Arc<str>) -> Self {
        Self { rule, cause: Cause::NothingLeft }
    }

    pub(crate) const fn failed(rule: Arc<str>) -> Self {
        Self { rule, cause: Cause::Failed }
    }

    /// The name of the rule.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// What it answered, if it did.
    #[must_use]
    pub fn kind(&self) -> RuleRefusalKind<'_> {
        match &self.cause {
            Cause::Denied(reason) => RuleRefusalKind::Denied { reason: reason.as_str() },
            Cause::InteractionRequired => RuleRefusalKind::InteractionRequired,
            Cause::NothingLeft => RuleRefusalKind::NothingLeft,
            Cause::Failed => RuleRefusalKind::Failed,
        }
    }

    /// What a denial gave as its reason, as an error can say it.
    pub(crate) const fn text(&self) -> Option<&ErrorText> {
        match &self.cause {
            Cause::Denied(reason) => Some(reason),
            Cause::InteractionRequired | Cause::NothingLeft | Cause::Failed => None,
        }
    }
}
