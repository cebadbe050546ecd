//! Events through `tracing`.

use std::error::Error;
use std::fmt;
use std::sync::Once;

use tracing::level_filters::LevelFilter;
use tracing::{Level, debug, enabled, error, info, warn};

use crate::boundary::audit::{AuditEvent, AuditOutcome};
use crate::boundary::backend::BackendError;
use crate::protocol::client::registered::ClientId;
use crate::protocol::client::sunset::steps::http_date;
use crate::protocol::rules::refusal::{RuleRefusal, RuleRefusalKind};
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::faces::Face;

/// The most characters of an application's own error text that an event carries.
const MAX_TEXT: usize = 256;

/// Whether anybody listens. Each login asks five times, so without a subscriber the answer takes no call.
#[inline(always)]
pub(crate) fn is_enabled() -> bool {
    LevelFilter::current() >= Level::ERROR && is_wanted()
}

#[inline(never)]
fn is_wanted() -> bool {
    enabled!(Level::ERROR)
}

/// Said once, when an endpoint is built.
pub(crate) fn built(grant_enabled: bool) {
    if grant_enabled {
        warn!("the password grant is served; RFC 9700 section 2.4 forbids it for new systems");
    }
}

/// One event for each answer.
pub(crate) fn answered(event: &AuditEvent<'_>, error: Option<&TokenError>) {
    let client = event.client.map(tracing::field::display);
    let account = event.account.map(tracing::field::display);
    let address = event.address.map(tracing::field::display);
    // Mostly the same, and then said once.
    let peer = event.peer.filter(|_| event.peer != event.address).map(tracing::field::display);
    let monitored = event.monitored.map(tracing::field::display);
    let family = event.family.map(|family| tracing::field::display(family.id()));
    let subject = event.family.map(|family| tracing::field::display(Escaped(family.subject_id())));
    let millis = u64::try_from(event.duration.as_millis()).unwrap_or(u64::MAX);
    let realm = event.realm;
    match (event.outcome, error) {
        (AuditOutcome::Issued { subject, scope }, _) => info!(
            grant_type = event.grant_type,
            client,
            realm,
            address,
            peer,
            account,
            family,
            subject = %Escaped(subject),
            scope,
            monitored,
            password_leaked = event.password_leaked.then_some(true),
            millis,
            "token issued"
        ),
        (AuditOutcome::Revoked, _) => info!(client, realm, address, peer, family, subject, millis, "token revoked"),
        (AuditOutcome::Introspected, _) => debug!(client, realm, address, peer, millis, "token introspected"),
        (AuditOutcome::Factor { step, subject, authenticator }, _) => {
            let (subject, step) = (Escaped(subject), step.as_str());
            info!(client, realm, address, peer, %subject, authenticator, step, millis, "second factors");
        }
        (AuditOutcome::SunsetChanged { before, after }, _) => {
            let [before, after] = [before, after].map(|end| end.and_then(http_date));
            warn!(client, before, after, "the plan of a client's end was changed");
        }
        (AuditOutcome::Refused { reason: Reason::RefreshTokenReplayed, .. }, failure) => {
            // If its access tokens could not be ended with it.
            let cause = failure.and_then(|failure| failure.details.as_ref()?.source.as_deref()).map(Chain);
            let cause = cause.as_ref().map(tracing::field::display);
            warn!(
                client,
                realm,
                address,
                peer,
                family,
                subject,
                cause,
                millis,
                "a spent refresh token was presented; its family was ended"
            );
        }
        (AuditOutcome::Refused { reason, .. }, Some(failure)) if is_trouble(failure.face()) => {
            let cause = failure.details.as_ref().and_then(|details| details.source.as_deref()).map(Chain);
            error!(
                grant_type = event.grant_type,
                client,
                realm,
                address,
                peer,
                account,
                %reason,
                cause = cause.as_ref().map(tracing::field::display),
                hint = hint(reason),
                monitored,
                millis,
                "token request failed"
            );
        }
        (AuditOutcome::Refused { reason, refused_by, subject }, failure) => info!(
            grant_type = event.grant_type,
            client,
            realm,
            address,
            peer,
            account,
            family,
            subject = subject.map(|subject| tracing::field::display(Escaped(subject))),
            %reason,
            parameter = failure.and_then(missing_parameter),
            rule = refused_by.map(|refusal| tracing::field::display(Escaped(refusal.rule()))),
            denial = refused_by.and_then(reason_of),
            limit = event.limit.map(tracing::field::display),
            monitored,
            unencoded_basic = event.unencoded_basic.then_some(true),
            hint = hint(reason),
            millis,
            "token request refused"
        ),
    }
}

/// The parameter that is missing.
fn missing_parameter(error: &TokenError) -> Option<&str> {
    let about = error.details.as_ref()?.about.as_ref()?;
    (error.reason == Reason::MissingParameter).then(|| about.as_str())
}

/// What a rule gave as the reason of its denial.
fn reason_of(refusal: &RuleRefusal) -> Option<&str> {
    match refusal.kind() {
        RuleRefusalKind::Denied { reason } => Some(reason),
        RuleRefusalKind::InteractionRequired | RuleRefusalKind::NothingLeft | RuleRefusalKind::Failed => None,
    }
}

/// Settings that cannot work together, of the endpoint or of a client.
pub(crate) fn misfit(client: Option<&ClientId>, problem: &'static str) {
    let client = client.map(tracing::field::display);
    warn!(client, problem, "settings cannot work together");
}

/// A part reads another clock than the endpoint or guard that it belongs to.
pub(crate) fn other_clock(part: &'static str) {
    warn!(part, "a part goes by another clock than what it belongs to: give both the same one, or only the latter");
}

/// The verifier denied a login that it had just allowed. Guessers cannot cause it: it takes a right password.
pub(crate) fn recheck_disagrees(reason: &'static str) {
    warn!(
        reason,
        "`CredentialVerifier::recheck` denied a login that `verify` had just allowed: if this comes at each login, the two \
         disagree about the subject, its id or its credential version; else the user was changed at that moment"
    );
}

/// A verifier around another one cannot recheck a login. Said once.
pub(crate) fn cannot_recheck() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        warn!(
            "the verifier passes `recheck` on to one that has none: no refresh and no second factor will be served, and logins \
             are not looked at again"
        );
    });
}

/// A charge could not be settled and stays.
pub(crate) fn settle_failed(failure: &BackendError) {
    let cause = failure.source.as_deref().map(Chain);
    error!(cause = cause.as_ref().map(tracing::field::display), "the attempt limiter could not settle a charge");
}

/// Work that no request waits for failed.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn background_failed(task: &'static str, failure: &BackendError) {
    let cause = failure.source.as_deref().map(Chain);
    error!(task, cause = cause.as_ref().map(tracing::field::display), "work in the background failed");
}

/// What a store keeps may be lost, by the settings of its server or of what they do not show.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn store_promises_less(problem: &impl fmt::Display) {
    warn!(%problem, "a store promises less than it could");
}

/// A guard refused a request.
#[inline]
pub(crate) fn bearer_refused(
    reason: &'static str,
    is_trouble: bool,
    client: Option<&ClientId>,
    hint: Option<&'static str>,
    failure: Option<&BackendError>,
) {
    let client = client.map(tracing::field::display);
    if is_trouble {
        let cause = failure.and_then(|failure| failure.source.as_deref()).map(Chain);
        let cause = cause.as_ref().map(tracing::field::display);
        error!(reason, cause, "a bearer token could not be verified");
    } else {
        debug!(reason, client, hint, "a request without a fitting bearer token was refused");
    }
}

/// Nobody can tell whether a new directory has a user whose import failed.
pub(crate) fn imports_without_recheck() {
    warn!("the new directory of a `Migrate` has no `recheck`: a login whose import fails is refused");
}

/// A user that an old directory granted was moved to the new one.
pub(crate) fn user_moved(subject: &str, realm: Option<&str>) {
    info!(subject = %Escaped(subject), realm, "a user was moved to the new directory");
}

/// A user that an old directory granted was not moved to the new one.
pub(crate) fn user_not_moved(subject: &str, realm: Option<&str>, failure: &BackendError) {
    let cause = failure.source.as_deref().map(Chain);
    let (subject, cause) = (Escaped(subject), cause.as_ref().map(tracing::field::display));
    warn!(%subject, realm, kind = failure.kind.as_str(), cause, "a user could not be moved to the new directory");
}

/// The lock notifier panicked.
pub(crate) fn notifier_failed() {
    error!("the lock notifier panicked; its notice is lost");
}

/// The audit sink panicked.
pub(crate) fn audit_failed() {
    error!("the audit sink panicked; its event is lost");
}

/// The shield gave no finding, and the login went on.
pub(crate) fn shield_failed(failure: &BackendError) {
    let cause = failure.source.as_deref().map(Chain);
    let cause = cause.as_ref().map(tracing::field::display);
    error!(cause, "the shield could not tell whether a password is known from a leak; the login went on");
}

/// A client got no `mfa_token`, because it has no grant to use it with.
pub(crate) fn cannot_finish(client: &ClientId) {
    warn!(%client, "a login lacks a second factor, and its client cannot finish it: `ClientBuilder::allow_second_factor`");
}

fn hint(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::NoPeerAddress => Some(
            "the request lacks the extension that `PeerAddress` reads: in axum serve with \
             `into_make_service_with_connect_info::<SocketAddr>()`, over a listener of your own with the type that it has \
             `Connected` for, elsewhere insert it in the accept loop",
        ),
        Reason::WrongMethod => Some(
            "the client is registered for another way of authentication (`ClientBuilder::authenticate_by`); a public client \
             cannot introspect, only a confidential one with `ClientBuilder::allow_introspection`",
        ),
        Reason::UnsupportedGrantType => Some(
            "the endpoint does not serve this grant type: the realm grant needs a client with \
             `ClientBuilder::allow_realm_grant`, one of your own `Builder::extension_grant`",
        ),
        Reason::NoScope => Some(
            "the request names no scope that the client may have, and there is no default: `ClientBuilder::default_scope`, or \
             `Builder::missing_scope`",
        ),
        Reason::AudienceNotAllowed => Some(
            "the client may not name this audience (`ClientBuilder::allow_audience`); that of second factors is `<issuer>/mfa/`, \
             with its last slash, for a client with `ClientBuilder::allow_second_factor`",
        ),
        Reason::ScopeNotRegistered => Some(
            "the client is registered for less (`ClientBuilder::scopes`); the scopes that manage second factors come with the \
             audience `<issuer>/mfa/` alone, with its last slash",
        ),
        Reason::BearerInvalid => Some(
            "a token that manages second factors is a `mfa_token` that is not used yet, or an access token for the audience \
             `<issuer>/mfa/`, which only an endpoint with `Builder::access_tokens` knows",
        ),
        Reason::SunsetRequired => Some(
            "the endpoint serves this grant only to clients with an end date (`Builder::require_sunset`):              `ClientBuilder::sunset`",
        ),
        Reason::IllegalToken => Some("the issuer gave a token with characters that do not fit a header"),
        _ => None,
    }
}

/// A text of somebody else's: one line, bounded, without control characters and direction overrides.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(MAX_TEXT).try_for_each(|c| write!(f, "{}", c.escape_debug()))
    }
}

/// An error with its causes, escaped.
struct Chain<'a>(&'a (dyn Error + Send + Sync));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped(&self.0.to_string()))?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {}", Escaped(&error.to_string()))?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Whether something of this side failed.
fn is_trouble(face: Face) -> bool {
    matches!(face, Face::Fault | Face::Unavailable)
}

/// The limiter that several processes share is away, and this process counts by itself.
pub(crate) fn limiter_away(failure: &BackendError) {
    let cause = failure.source.as_deref().map(Chain);
    let cause = cause.as_ref().map(tracing::field::display);
    warn!(cause, "the shared limiter is away; attempts are counted in this process by a tenth of the budgets");
}

/// It is back.
pub(crate) fn limiter_back(attempts: u64) {
    warn!(attempts, "the shared limiter is back; so many attempts were let in meanwhile by this process alone");
}

/// Two processes count in one store by other keys or limits.
pub(crate) fn limiters_differ(what: &'static str) {
    warn!(
        what,
        "this process counts attempts by another `what` than the one that has started before it in the same store: give all the same"
    );
}

/// An engine under a store has failed several times in a row.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn engine_away(engine: &'static str) {
    error!(engine, "the store does not answer; calls fail at once, and one at a time asks whether it is back");
}

/// It answers again.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn engine_back(engine: &'static str) {
    warn!(engine, "the store answers again");
}
