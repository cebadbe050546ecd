//! The audit trail: one typed event for every token request that was read.
//!
//! Give the builder an [`AuditSink`] to keep what happened: the client, the account's digest, the outcome and the true
//! [`Reason`], which the client never learns. Structured logs need no sink: the feature `tracing` writes them.

pub use crate::boundary::audit::{AccountDigest, AuditEvent, AuditOutcome, AuditSink};
pub use crate::protocol::rules::denial::RuleDenial;
pub use crate::protocol::wire::error::Reason;
