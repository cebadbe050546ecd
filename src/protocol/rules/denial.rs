//! Which login rule has refused a login, and why.

use std::sync::Arc;

use crate::protocol::wire::host_code::ErrorText;

/// The login rule that refused a login, with its reason: for telemetry and audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDenial {
    rule: Arc<str>,
    reason: Option<ErrorText>,
}

impl RuleDenial {
    pub(crate) const fn new(rule: Arc<str>, reason: Option<ErrorText>) -> Self {
        Self { rule, reason }
    }

    /// The name of the rule.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    pub(crate) fn to_text(&self) -> Option<ErrorText> {
        self.reason.clone()
    }

    /// What the rule gave as its reason; none where it wants the user elsewhere.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_ref().map(ErrorText::as_str)
    }
}
