//! The end of the grant for a client, and how it is announced (RFC 8594, RFC 9745).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use super::steps::{Steps, http_date};
use crate::protocol::client::error::ClientError;
use crate::protocol::wire::uri::is_absolute_uri;

/// The last day of the password grant for a client, and of every other grant type by which a
/// [password login begins](crate::grant::ExtensionGrant::begins_password_login).
///
/// Until then every answer of such a grant to this client carries `Sunset` (RFC 8594), `Deprecation` (RFC 9745) and, if a
/// link is given, `Link`; afterwards the answer is `unauthorized_client`, with the link as `error_uri`. Logins that have begun are
/// refreshed after it, too, as long as the client [has the grant](crate::client::ClientBuilder::remove_grant), unless
/// [they end](Self::end_families_at). Where such a refresh asks for a second factor, and ramp or end would refuse a new
/// login of its user, the login goes on no longer than before: its new family ends with the old one.
///
/// The end can be rehearsed and taken in steps: [brownouts](Self::brownout), a [ramp](Self::ramp_from), and
/// [exceptions](Self::except) that outlive it. All of it is part of the client's registration, so that dates move where the
/// registration is kept, without a deployment. A process that finds a client with another plan than before
/// [says so](crate::audit::AuditOutcome::SunsetChanged) in the audit trail. Dates are held against one another where they are given.
/// None is held against the clock, because a plan stays valid as its dates go by: [`check`](Self::check) does it for one that is made.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::client::Sunset;
///
/// let in_half_a_year = SystemTime::now() + Duration::from_secs(183 * 86_400);
/// let link = "https://docs.example/move-to-code-flow";
/// let sunset = Sunset::at(in_half_a_year).with_link(link)?;
///
/// // Rehearsed for three hours in two months, and a ramp in the last month.
/// let day = |day: u64| SystemTime::now() + Duration::from_secs(day * 86_400);
/// let three_hours = Duration::from_secs(3 * 3600);
/// let sunset = sunset.brownout(day(60), three_hours)?.ramp_from(day(153))?;
/// sunset.check(SystemTime::now())?;
/// assert_eq!(sunset.share_at(day(100)), 0.0);
/// # Ok::<_, tower_password_grant::client::ClientError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sunset {
    pub(super) end: SystemTime,
    sunset: Option<HeaderValue>,
    deprecation: Option<HeaderValue>,
    link: Option<HeaderValue>,
    pub(super) steps: Steps,
}

impl Sunset {
    /// The grant ends at `end`. It counts as deprecated since the publication of RFC 9700 (January 2025), or since the end
    /// if that was before, unless [`deprecated_since`](Self::deprecated_since) says otherwise.
    #[must_use]
    pub fn at(end: SystemTime) -> Self {
        const RFC_9700: u64 = 1_735_689_600;
        Self {
            end,
            // A date that HTTP cannot write is enforced without being announced.
            sunset: http_date(end).and_then(|date| HeaderValue::try_from(date).ok()),
            deprecation: HeaderValue::try_from(format!("@{}", seconds(end).min(RFC_9700))).ok(),
            link: None,
            steps: Steps::default(),
        }
    }

    /// The same with another end.
    pub(super) fn with_end(&self, end: SystemTime) -> Self {
        let Self { deprecation, link, steps, .. } = self.clone();
        Self { deprecation, link, steps, ..Self::at(end) }
    }

    /// Since when the grant counts as deprecated for this client: no later than its end (RFC 9745 section 4), which
    /// [`ClientBuilder::build`](crate::client::ClientBuilder::build) checks.
    #[must_use]
    pub fn deprecated_since(mut self, date: SystemTime) -> Self {
        self.deprecation = HeaderValue::try_from(format!("@{}", seconds(date))).ok();
        self
    }

    /// A page that says how the client's developers move on.
    ///
    /// # Errors
    /// Fails when `uri` is not an absolute URI without spaces and quotes.
    pub fn with_link(mut self, uri: &str) -> Result<Self, ClientError> {
        if !is_absolute_uri(uri) {
            return Err(ClientError::Link);
        }
        let link =
            format!("<{uri}>; rel=\"deprecation\"; type=\"text/html\", <{uri}>; rel=\"sunset\"; type=\"text/html\"");
        self.link = Some(HeaderValue::try_from(link).map_err(|_| ClientError::Link)?);
        Ok(self)
    }

    /// The end.
    #[must_use]
    pub fn end(&self) -> SystemTime {
        self.end
    }

    /// Whether it would be announced to end before it is deprecated.
    pub(super) fn is_reversed(&self) -> bool {
        self.deprecation_date().is_some_and(|date| seconds(date) > seconds(self.end))
    }

    /// Since when the grant counts as deprecated, as the header says it.
    pub(crate) fn deprecation_date(&self) -> Option<SystemTime> {
        let seconds = self.deprecation.as_ref()?.to_str().ok()?.strip_prefix('@')?.parse().ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// The page for the client's developers.
    #[must_use]
    pub fn link_target(&self) -> Option<&str> {
        let (target, _) = self.link.as_ref()?.to_str().ok()?.strip_prefix('<')?.split_once('>')?;
        Some(target)
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &HeaderValue)> {
        [("deprecation", &self.deprecation), ("sunset", &self.sunset), ("link", &self.link)]
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name, value)))
    }
}

/// Whole seconds since 1970, as headers write them.
fn seconds(date: SystemTime) -> u64 {
    date.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
