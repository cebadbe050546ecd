//! Announcing and enforcing the end of the grant for a client (RFC 8594, RFC 9745).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use super::error::ClientError;
use crate::protocol::wire::uri::is_absolute_uri;

/// The last day of the password grant for a client, and of every other grant type by which a
/// [password login begins](crate::grant::ExtensionGrant::begins_password_login).
///
/// Until then every answer of such a grant to this client carries `Sunset` (RFC 8594), `Deprecation` (RFC 9745) and, if a
/// link is given, `Link`; afterwards the answer is `unauthorized_client`. Logins that have begun are refreshed after it, too, as
/// long as the client [has the grant](crate::client::ClientBuilder::remove_grant).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::client::Sunset;
///
/// let in_half_a_year = SystemTime::now() + Duration::from_secs(183 * 86_400);
/// let link = "https://docs.example/move-to-code-flow";
/// let sunset = Sunset::at(in_half_a_year).with_link(link)?;
/// # Ok::<_, tower_password_grant::client::ClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sunset {
    end: SystemTime,
    sunset: Option<HeaderValue>,
    deprecation: Option<HeaderValue>,
    link: Option<HeaderValue>,
}

impl Sunset {
    /// The grant ends at `end`. It counts as deprecated since the publication of RFC 9700 (January 2025), or since the end
    /// if that was before, unless [`deprecated_since`](Self::deprecated_since) says otherwise.
    #[must_use]
    pub fn at(end: SystemTime) -> Self {
        const RFC_9700: u64 = 1_735_689_600;
        const YEAR_10000: u64 = 253_402_300_800;
        Self {
            end,
            // A date that HTTP cannot write (before 1970, after 9999) is enforced without being announced.
            sunset: end
                .duration_since(UNIX_EPOCH)
                .is_ok_and(|time| time.as_secs() < YEAR_10000)
                .then(|| httpdate::fmt_http_date(end))
                .and_then(|date| HeaderValue::try_from(date).ok()),
            deprecation: HeaderValue::try_from(format!("@{}", seconds(end).min(RFC_9700))).ok(),
            link: None,
        }
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
    pub(crate) fn is_reversed(&self) -> bool {
        self.deprecation_date().is_some_and(|date| seconds(date) > seconds(self.end))
    }

    /// Since when the grant counts as deprecated, as the header says it.
    pub(crate) fn deprecation_date(&self) -> Option<SystemTime> {
        let seconds = self.deprecation.as_ref()?.to_str().ok()?.strip_prefix('@')?.parse().ok()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// The page for the client's developers.
    pub(crate) fn link_target(&self) -> Option<&str> {
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
