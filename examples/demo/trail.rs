//! What the operator sees, for the page of this demo: the last events of the audit trail, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use tower_password_grant::audit::{AuditEvent, AuditOutcome, AuditSink, RuleRefusalKind};

/// How many events are kept. An application writes them somewhere instead, and shows them to its operators alone.
const KEPT: usize = 8;

#[derive(Clone, Default)]
pub(crate) struct Trail(Arc<Mutex<VecDeque<Value>>>);

impl Trail {
    fn events(&self) -> MutexGuard<'_, VecDeque<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for Trail {
    fn record(&self, event: &AuditEvent<'_>) {
        let outcome = match event.outcome {
            AuditOutcome::Issued { subject, scope, .. } => format!("tokens for {subject} with the scope {scope}"),
            AuditOutcome::Refused { reason, refused_by, .. } => match refused_by {
                Some(refusal) => {
                    let why = match refusal.kind() {
                        RuleRefusalKind::Denied { reason, .. } => format!(": {reason}"),
                        _ => String::new(),
                    };
                    format!("refused: {reason}, by the rule \"{}\"{why}", refusal.rule())
                }
                None => format!("refused: {reason}"),
            },
            AuditOutcome::Factor { step, subject, .. } => format!("{} for {subject}", step.as_str()),
            AuditOutcome::SunsetChanged { .. } => "the plan of its end was changed".to_owned(),
            AuditOutcome::Introspected => "introspection".to_owned(),
            AuditOutcome::Revoked => "revocation".to_owned(),
            _ => return,
        };
        let event = json!({
            "at": event.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            "grant_type": event.grant_type,
            "client": event.client.map(ToString::to_string),
            "realm": event.realm,
            "outcome": outcome,
        });
        let mut events = self.events();
        events.push_front(event);
        events.truncate(KEPT);
    }
}

/// The newest event first.
pub(crate) async fn trail(State(trail): State<Trail>) -> Json<VecDeque<Value>> {
    Json(trail.events().clone())
}
