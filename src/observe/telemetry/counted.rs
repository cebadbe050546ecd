use crate::boundary::backend::BackendError;
use crate::protocol::client::registered::ClientId;

/// A guard refused a request for this reason.
#[inline]
pub(crate) fn bearer_refused(
    reason: &'static str,
    is_trouble: bool,
    client: Option<&ClientId>,
    hint: Option<&'static str>,
    failure: Option<&BackendError>,
) {
    super::counters::count_bearer_refusal(reason);
    super::events::bearer_refused(reason, is_trouble, client, hint, failure);
}

/// The shield gave no finding, and the login went on.
pub(crate) fn shield_failed(failure: &BackendError) {
    super::counters::count_shield_failure();
    super::events::shield_failed(failure);
}

/// A user that an old directory granted was moved to the new one.
pub(crate) fn user_moved(subject: &str, realm: Option<&str>) {
    super::counters::count_moved_user();
    super::events::user_moved(subject, realm);
}

/// A user that an old directory granted was not moved to the new one, and the login went on.
pub(crate) fn user_not_moved(subject: &str, realm: Option<&str>, failure: &BackendError) {
    super::counters::count_unmoved_user(failure.kind.as_str());
    super::events::user_not_moved(subject, realm, failure);
}

/// Two processes count in one store by other keys or limits.
pub(crate) fn limiters_differ(what: &'static str) {
    super::counters::count_differing_limiter(what);
    super::events::limiters_differ(what);
}

/// An engine under a store has failed several times in a row.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) fn engine_away(engine: &'static str) {
    super::counters::count_outage(engine);
    super::events::engine_away(engine);
}
