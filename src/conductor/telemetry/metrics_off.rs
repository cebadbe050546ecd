//! The same functions without `metrics`: nothing is counted.

use std::time::Duration;

use super::super::trail::Trail;
use crate::boundary::audit::AuditOutcome;

/// Whether [`count`] does anything.
pub(crate) const COUNTS: bool = false;

pub(crate) const fn count(_trail: &Trail, _outcome: &AuditOutcome<'_>, _duration: Duration) {}

pub(crate) const fn count_shield_failure() {}

pub(crate) const fn count_bearer_refusal(_reason: &'static str) {}
