//! The same functions without `metrics`: nothing is counted.

use crate::boundary::audit::AuditEvent;
use crate::protocol::usage::tally::ClientUsage;

/// Whether [`count`] does anything.
pub(crate) const COUNTS: bool = false;

pub(crate) const fn count(_event: &AuditEvent<'_>, _begins_password_login: bool) {}

pub(crate) const fn count_shield_failure() {}

pub(crate) const fn count_bearer_refusal(_reason: &'static str) {}

pub(crate) const fn count_moved_user() {}

pub(crate) const fn count_unmoved_user(_kind: &'static str) {}

pub(crate) const fn show_usage(_clients: &[ClientUsage]) {}

pub(crate) const fn count_fallback(_was_let_in: bool) {}

pub(crate) const fn count_differing_limiter(_what: &'static str) {}

#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) const fn count_outage(_engine: &'static str) {}
