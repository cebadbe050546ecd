//! The audit trail: one typed event for every answer of the token, revocation and introspection endpoints, also to a request that
//! was refused before it was read.
//!
//! Give the builder an [`AuditSink`] to keep what happened: the client, the account's digest, the outcome and the true
//! [`Reason`], which the client never learns. Structured logs need no sink: the feature `tracing` writes them. What a
//! [`BearerGuard`](crate::bearer::BearerGuard) refuses never reaches a sink: it has a hook of its own,
//! [`on_refusal`](crate::bearer::BearerGuardBuilder::on_refusal).

pub use crate::boundary::audit::{AccountDigest, AuditEvent, AuditOutcome, AuditSink, FactorStep};
pub use crate::protocol::rules::refusal::{RuleRefusal, RuleRefusalKind};
pub use crate::protocol::wire::error::Reason;
