//! The audit trail: one typed event for every answer of an endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::clock::SharedClock;
use super::limiter::Limit;
use super::login_note::LoginNotes;
use crate::protocol::client::registered::ClientId;
use crate::protocol::rules::refusal::RuleRefusal;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::wire::error::Reason;

/// What became of one token request: the account, the client, the address, the true reason, the time it took.
/// [`AuditSink`] shows how to keep it: an event borrows from its request, so copy what is kept.
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
    /// The grant type, if it is one that is served here. `None` where it was not read yet: before the client has authenticated
    /// ([`Reason::WrongSecret`], [`Reason::ClientThrottled`]), and for a request that was refused by its head or form.
    pub grant_type: Option<&'a str>,
    /// Where tokens were issued: the grant type by which their login began. It is `grant_type` itself, but for a login that a second factor
    /// has finished, and for a refresh, where it is that of the family: `password` if that was kept without one.
    pub origin: Option<&'a str>,
    /// Where tokens were issued: whether their login began by a password. It did by the password grant, and by an extension grant
    /// that [says so](crate::grant::ExtensionGrant::begins_password_login); at a refresh, as long as the grant is served still.
    pub by_password: bool,
    /// Where tokens were issued: whether a login goes on that began before, and none began. It does at a refresh, and where a second
    /// factor was shown that a refresh has asked for.
    pub goes_on: bool,
    /// Where tokens were issued: in which ways the resource owner was authenticated, at a refresh in the login.
    pub methods: AuthenticationMethods,
    /// The client, if it is registered. On a refusal it may not have been authenticated.
    pub client: Option<&'a ClientId>,
    /// The realm (separate user directory) of the login that was tried, or of the refresh token family that the request is
    /// about and that is the client's own, if it has one.
    pub realm: Option<&'a str>,
    /// A keyed digest of the account that was tried, in its realm: equal for equal accounts of one realm in one process, or in all that have the
    /// same [shared key](crate::limiter::AttackProtection::shared_key), and nothing else.
    pub account: Option<AccountDigest>,
    /// The address that counts: the peer's, the client's behind [trusted proxies](crate::PeerAddress::behind), or the
    /// end user's, from a client that [may name it](crate::client::ClientBuilder::trust_end_user_address).
    pub address: Option<IpAddr>,
    /// The other end of the connection. If it is not the same as `address`, it is a proxy, or a server that logs in for its
    /// users.
    pub peer: Option<IpAddr>,
    /// The limit of the attack protection that refused the request.
    pub limit: Option<Limit>,
    /// The limit in monitoring mode that would have refused it.
    pub monitored: Option<Limit>,
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
    /// An endpoint of second factors has done what it was asked.
    #[non_exhaustive]
    Factor {
        /// What was done.
        step: FactorStep,
        /// The subject's identifier.
        subject: &'a str,
        /// The identifier of the authenticator that it is about, if it is about one.
        authenticator: Option<&'a str>,
    },
    /// A client was found with another [end](crate::client::Sunset), or with other steps to it, than before: its registration was
    /// changed where it is kept, or the end was given or taken away. Said once for each change, in each process that finds the client
    /// before and afterwards: a process remembers the last 4,096 clients that it has found, at least, and a change while none runs is
    /// not seen. The event is about no request: it has no address.
    ///
    /// Copies of a registration that disagree for a while look like a change at each request. So a client has at most 16 of these
    /// events at once, and then one a minute, which says what has changed since the last.
    #[non_exhaustive]
    SunsetChanged {
        /// The end before, if there was one.
        before: Option<SystemTime>,
        /// The end now, if there is one. If it is the one before, the steps are others.
        after: Option<SystemTime>,
    },
    /// The request was refused.
    #[non_exhaustive]
    Refused {
        /// The true reason, which the client may not have seen.
        reason: Reason,
        /// The [login rule](crate::rules) that ended it: by a refusal, or because it failed.
        refused_by: Option<&'a RuleRefusal>,
        /// The subject's identifier, where a login was to be finished by a second factor: its request has no name of an account.
        subject: Option<&'a str>,
    },
}

/// What an endpoint of second factors has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FactorStep {
    /// A factor was chosen for a login. If it is out of band, a code or a question was sent.
    Challenged,
    /// The authenticators of a user were listed.
    Listed,
    /// An enrolment was begun. The authenticator waits for its first right code.
    EnrolmentBegun,
    /// An enrolment has ended: the first right code has come, and the authenticator is active. The event of the login that the code
    /// finishes comes after it.
    Enrolled,
    /// An authenticator was removed.
    Removed,
}

impl FactorStep {
    /// A stable name in `snake_case`, fit for a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenged => "factor_challenged",
            Self::Listed => "factors_listed",
            Self::EnrolmentBegun => "factor_enrolment_begun",
            Self::Enrolled => "factor_enrolled",
            Self::Removed => "factor_removed",
        }
    }
}

/// A keyed digest of a user name and its realm: it shows that two attempts were on the same account, but not on which.
/// [`account_digest`](crate::PasswordGrantLayer::account_digest) gives that of an account which an operator names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountDigest(pub(crate) [u8; 16]);

impl std::fmt::Display for AccountDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes audit events: one for each answer of the token, revocation, introspection and second factor endpoints, also to a request that was
/// refused before its body was read, such as a `GET`. One more comes before that of a login whose code
/// [ends an enrolment](FactorStep::Enrolled), and before that of a request by which a
/// [changed plan](AuditOutcome::SunsetChanged) of a client's end is noticed. `OPTIONS` requests have none, nor has a request whose client hung up. The
/// refusals of a guard never reach it: they are of another server, maybe, and have a hook of their own,
/// [`on_refusal`](crate::bearer::BearerGuardBuilder::on_refusal).
///
/// ```
/// use std::net::IpAddr;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::SystemTime;
///
/// use tokio::sync::mpsc;
/// use tower_password_grant::audit::{AccountDigest, AuditEvent, AuditOutcome, AuditSink};
///
/// /// What is kept of an event.
/// struct Line {
///     at: SystemTime,
///     client: Option<String>,
///     account: Option<AccountDigest>,
///     address: Option<IpAddr>,
///     outcome: String,
/// }
///
/// /// Hands lines to a task that writes them.
/// struct Trail {
///     lines: mpsc::Sender<Line>,
///     lost: AtomicU64,
/// }
///
/// impl AuditSink for Trail {
///     fn record(&self, event: &AuditEvent<'_>) {
///         let outcome = match event.outcome {
///             AuditOutcome::Issued { subject, .. } => format!("issued to {subject}"),
///             AuditOutcome::Refused { reason, .. } => format!("refused: {reason}"),
///             AuditOutcome::Revoked => "revoked".to_owned(),
///             _ => return, // what is not kept
///         };
///         let line = Line {
///             at: event.at,
///             client: event.client.map(ToString::to_string),
///             account: event.account,
///             address: event.address,
///             outcome,
///         };
///         if self.lines.try_send(line).is_err() {
///             self.lost.fetch_add(1, Ordering::Relaxed); // report it now and then
///         }
///     }
/// }
/// # use std::sync::Arc;
/// # use tower::ServiceExt as _;
/// # use tower_password_grant::{store::MemoryAccessTokens, *};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let clients = find_client_fn(|_| async { Ok(None) });
/// # let verifier = verify_fn(|_| async { Ok(Denial::UnknownUser.into()) });
/// # let issuer = OpaqueIssuer::new(MemoryAccessTokens::new());
///
/// let (lines, mut written) = mpsc::channel(1024);
/// let trail = Arc::new(Trail { lines, lost: AtomicU64::new(0) });
/// let builder = PasswordGrant::builder().audit(Arc::clone(&trail)); // and the rest
/// # let layer = builder.clients(clients).verifier(verifier).issuer(issuer).peer_address(PeerAddress::unknown()).build()?;
/// # let get = || http::Request::get("/").body(http_body_util::Empty::<bytes::Bytes>::new());
/// # layer.endpoint().oneshot(get()?).await?;
/// # let line: Line = written.recv().await.ok_or("no line")?;
/// # assert_eq!(line.outcome, "refused: method_not_allowed");
/// # assert!(line.at <= SystemTime::now() && line.client.is_none());
/// # assert!(line.account.is_none() && line.address.is_none());
/// # drop(written);
/// # layer.endpoint().oneshot(get()?).await?;
/// # assert_eq!(trail.lost.load(Ordering::Relaxed), 1);
/// # Ok(()) }
/// ```
///
/// # Contract
/// `record` is called on the async threads for every answer: it must not block. Put what you keep of the event into a bounded
/// queue, and count what does not fit.
///
/// # Security
/// It fails open: a panic is contained, and the answer goes out without its event.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &AuditEvent<'_>);

    /// Takes the clock of the endpoint, for a sink that reads one, and answers whether it goes by it. Default: it reads none.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }

    /// What takes notes of logins in place of their events, where the sink is a ledger that needs no more. A sink that hands its events
    /// on to one takes events.
    #[doc(hidden)]
    fn login_notes(&self) -> Option<Box<dyn LoginNotes>> {
        None
    }
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn record(&self, event: &AuditEvent<'_>) {
        (**self).record(event);
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }

    fn login_notes(&self) -> Option<Box<dyn LoginNotes>> {
        (**self).login_notes()
    }
}

impl<F: Fn(&AuditEvent<'_>) + Send + Sync + 'static> AuditSink for F {
    fn record(&self, event: &AuditEvent<'_>) {
        self(event);
    }
}
