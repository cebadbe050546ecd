//! The same functions without `tracing`: nothing is said.

use crate::boundary::audit::AuditEvent;
use crate::boundary::backend::BackendError;
use crate::protocol::client::registered::ClientId;
use crate::protocol::wire::error::TokenError;

pub(crate) const fn is_enabled() -> bool {
    false
}

pub(crate) const fn built(_grant_enabled: bool) {}

pub(crate) const fn answered(_event: &AuditEvent<'_>, _error: Option<&TokenError>) {}

pub(crate) const fn misfit(_client: Option<&ClientId>, _problem: &'static str) {}

pub(crate) const fn other_clock(_part: &'static str) {}

pub(crate) const fn cannot_recheck() {}

pub(crate) const fn recheck_disagrees(_reason: &'static str) {}

pub(crate) const fn settle_failed(_failure: &BackendError) {}

pub(crate) const fn audit_failed() {}

pub(crate) const fn imports_without_recheck() {}

pub(crate) const fn user_moved(_subject: &str, _realm: Option<&str>) {}

pub(crate) const fn user_not_moved(_subject: &str, _realm: Option<&str>, _failure: &BackendError) {}

pub(crate) const fn notifier_failed() {}

pub(crate) const fn cannot_finish(_client: &ClientId) {}

pub(crate) const fn shield_failed(_failure: &BackendError) {}

#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) const fn background_failed(_task: &'static str, _failure: &BackendError) {}

#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) const fn store_promises_less(_problem: &impl std::fmt::Display) {}

pub(crate) const fn bearer_refused(
    _reason: &'static str,
    _is_trouble: bool,
    _client: Option<&ClientId>,
    _hint: Option<&'static str>,
    _failure: Option<&BackendError>,
) {
}

pub(crate) const fn limiter_away(_failure: &BackendError) {}

pub(crate) const fn limiter_back(_attempts: u64) {}

pub(crate) const fn limiters_differ(_what: &'static str) {}

#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) const fn engine_away(_engine: &'static str) {}

#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) const fn engine_back(_engine: &'static str) {}
