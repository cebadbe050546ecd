//! Counters and histograms through the `metrics` facade. Labels come from fixed sets and from registered client ids.

use metrics::{counter, gauge, histogram};

use crate::boundary::audit::{AuditEvent, AuditOutcome};
use crate::protocol::usage::tally::ClientUsage;

/// Whether [`count`] does anything.
pub(crate) const COUNTS: bool = true;

/// Counts one answer.
pub(crate) fn count(event: &AuditEvent<'_>, begins_password_login: bool) {
    let outcome = match event.outcome {
        AuditOutcome::Issued { .. } => "issued",
        AuditOutcome::Revoked => "revoked",
        AuditOutcome::Introspected => "introspected",
        AuditOutcome::Factor { step, .. } => step.as_str(),
        AuditOutcome::SunsetChanged { .. } => "sunset_changed",
        AuditOutcome::Refused { reason, .. } => reason.as_str(),
    };
    counter!("oauth_token_requests_total", "outcome" => outcome).increment(1);
    if let Some(limit) = event.monitored {
        counter!("oauth_token_requests_monitored_total", "limit" => limit.as_str()).increment(1);
    }
    histogram!("oauth_token_request_duration_seconds").record(event.duration);
    if let Some(client) = event.client.filter(|_| begins_password_login) {
        counter!("oauth_password_grant_requests_total", "client" => client.as_str().to_owned()).increment(1);
    }
    if event.password_leaked {
        counter!("oauth_leaked_passwords_total").increment(1);
    }
}

/// Counts a login that the shield could not look at.
pub(crate) fn count_shield_failure() {
    counter!("oauth_shield_failures_total").increment(1);
}

/// Counts a request that a guard refused.
pub(crate) fn count_bearer_refusal(reason: &'static str) {
    counter!("oauth_bearer_refusals_total", "reason" => reason).increment(1);
}

/// Counts a user that was moved to the new directory.
pub(crate) fn count_moved_user() {
    counter!("oauth_user_moves_total").increment(1);
}

/// Counts a user that was not moved to the new directory.
pub(crate) fn count_unmoved_user(kind: &'static str) {
    counter!("oauth_user_move_failures_total", "kind" => kind).increment(1);
}

/// Shows who uses what, as a report has it.
pub(crate) fn show_usage(clients: &[ClientUsage]) {
    for usage in clients {
        let client = || usage.client.as_str().to_owned();
        gauge!("oauth_usage_users", "client" => client()).set(usage.users as f64);
        gauge!("oauth_usage_only_by_password", "client" => client()).set(usage.only_by_password as f64);
        gauge!("oauth_usage_moved", "client" => client()).set(usage.moved as f64);
        gauge!("oauth_usage_fallen_back", "client" => client()).set(usage.fallen_back as f64);
        for way in &usage.ways {
            let by_password = if way.is_by_password { "true" } else { "false" };
            let labels =
                [("client", client()), ("way", way.way.as_str().to_owned()), ("by_password", by_password.to_owned())];
            gauge!("oauth_usage_way_logins", &labels).set(way.logins as f64);
            gauge!("oauth_usage_way_users", &labels).set(way.users as f64);
        }
    }
}

/// Counts an attempt by what became of it where the shared limiter was away.
pub(crate) fn count_fallback(was_let_in: bool) {
    let outcome = if was_let_in { "let_in" } else { "refused" };
    counter!("oauth_limiter_fallback_total", "outcome" => outcome).increment(1);
}

/// Counts a process that counts by another key or other limits than the one before.
pub(crate) fn count_differing_limiter(what: &'static str) {
    counter!("oauth_limiter_settings_differ_total", "what" => what).increment(1);
}

/// Counts an engine that is left alone for a while.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn count_outage(engine: &'static str) {
    counter!("oauth_store_outages_total", "engine" => engine).increment(1);
}
