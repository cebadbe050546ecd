//! The same functions without `tracing`: nothing is said.

use crate::boundary::audit::AuditEvent;
use crate::boundary::backend::BackendError;
use crate::protocol::error::TokenError;

pub(crate) const fn is_enabled() -> bool {
    false
}

pub(crate) const fn built(_grant_enabled: bool) {}

pub(crate) const fn answered(_event: &AuditEvent<'_>, _error: Option<&TokenError>) {}

pub(crate) const fn settle_failed(_failure: &BackendError) {}

pub(crate) const fn audit_failed() {}

pub(crate) const fn notifier_failed() {}

pub(crate) const fn shield_failed(_failure: &BackendError) {}
