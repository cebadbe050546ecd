//! The audit trail: one typed event for every token request that was read.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::limiter::Rule;
use crate::protocol::client::registered::ClientId;
use crate::protocol::rules::denial::RuleDenial;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::wire::error::Reason;

/// What became of one token request: the account, the client, the address, the true reason, the time it took.
///
/// It holds no secret and no text that the sender chose freely: clients are named only when they are registered, and
/// user names stand as keyed digests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditEvent<'a> {
    /// When the request was answered.
    pub at: SystemTime,
    /// How long it took from the end of its body.
    pub duration: Duration,
    /// Issued, or refused and why.
    pub outcome: AuditOutcome<'a>,
    /// The grant type, if it is one that is served here.
    pub grant_type: Option<&'a str>,
    /// The client, if it is registered. On a refusal it may not have been authenticated.
    pub client: Option<&'a ClientId>,
    /// The realm (separate user directory) of the login that was tried, or of the refresh token family that the request is
    /// about and that is the client's own, if it has one.
    pub realm: Option<&'a str>,
    /// A keyed digest of the account that was tried: equal for equal accounts in one process, or in all that have the
    /// same [shared key](crate::limiter::AttackProtection::shared_key), and nothing else.
    pub account: Option<AccountDigest>,
    /// The address that counts: the peer's, the client's behind [trusted proxies](crate::PeerAddress::behind), or the
    /// end user's, from a client that [may name it](crate::client::ClientBuilder::trust_end_user_address).
    pub address: Option<IpAddr>,
    /// The other end of the connection. If it is not the same as `address`, it is a proxy, or a server that logs in for its
    /// users.
    pub peer: Option<IpAddr>,
    /// The rule of the attack protection that refused the request.
    pub rule: Option<Rule>,
    /// The rule in monitoring mode that would have refused it.
    pub monitored: Option<Rule>,
    /// The refresh token family that the request is about, with its subject: that begins by a login, is refreshed, revoked, or
    /// ended because a copy of a spent token was presented ([`Reason::RefreshTokenReplayed`]).
    pub family: Option<&'a RefreshFamily>,
    /// The client may not form-encode its `Authorization` header as RFC 6749 section 2.3.1 asks.
    pub unencoded_basic: bool,
    /// The password is right, and the [`Shield`](crate::user::Shield) knows it from a leak: make the user set a new one.
    pub password_leaked: bool,
}

/// How a token request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditOutcome<'a> {
    /// Tokens were issued.
    #[non_exhaustive]
    Issued {
        /// The subject's identifier.
        subject: &'a str,
        /// The granted scope.
        scope: &'a str,
    },
    /// A token was revoked, or was worth nothing already (RFC 7009).
    Revoked,
    /// A client asked about a token (RFC 7662).
    Introspected,
    /// The request was refused.
    #[non_exhaustive]
    Refused {
        /// The true reason, which the client may not have seen.
        reason: Reason,
        /// The [login rule](crate::rules) that refused it, with its own reason.
        denied_by: Option<&'a RuleDenial>,
    },
}

/// A keyed digest of a user name: it shows that two attempts were on the same account, but not on which.
/// [`account_digest`](crate::PasswordGrantLayer::account_digest) gives that of an account which an operator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountDigest(pub(crate) [u8; 16]);

impl std::fmt::Display for AccountDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes audit events.
///
/// # Contract
/// `record` is called on the async threads for every answer: it must not block. Put the event into a bounded queue, and
/// count what does not fit.
///
/// # Security
/// It fails open: a panic is contained, and the answer goes out without its event.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &AuditEvent<'_>);
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn record(&self, event: &AuditEvent<'_>) {
        (**self).record(event);
    }
}

impl<F: Fn(&AuditEvent<'_>) + Send + Sync + 'static> AuditSink for F {
    fn record(&self, event: &AuditEvent<'_>) {
        self(event);
    }
}
