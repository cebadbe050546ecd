//! A ceiling on the questions of one client about tokens.

use std::time::Duration;

use super::rate::Rate;
use crate::boundary::setting::SettingError;
use crate::protocol::client::registered::ClientId;

/// How many introspection requests (RFC 7662) of one client are taken. Given to
/// [`IntrospectionEndpoint::ceiling`](crate::token::IntrospectionEndpoint::ceiling).
///
/// It counts the requests of clients that have authenticated and [may ask](crate::client::ClientBuilder::allow_introspection), over all
/// their addresses; a [`RequestCeiling`](crate::limiter::RequestCeiling) counts all others. One more is answered 429 with
/// `Retry-After`, before the token is looked up. Clients are counted in 65,536 cells of 8 bytes, so it never grows.
///
/// ```
/// use tower_password_grant::limiter::IntrospectionCeiling;
/// use tower_password_grant::token::IntrospectionEndpoint;
///
/// let ceiling = IntrospectionCeiling::per_client(5000, 1000);
/// let endpoint = IntrospectionEndpoint::at("/oauth/introspect").ceiling(ceiling);
/// # let _ = endpoint;
/// ```
pub struct IntrospectionCeiling {
    rate: Rate,
}

impl IntrospectionCeiling {
    /// `burst` requests at once, and `per_second` in the long run: both more than the API that asks has use for, with what
    /// it is sent of made-up tokens.
    ///
    /// `burst` is at least 1, `per_second` from 1 to 1,000,000: [`build`](crate::Builder::build) refuses other values.
    #[must_use]
    pub fn per_client(burst: u32, per_second: u32) -> Self {
        Self { rate: Rate::new(burst, per_second) }
    }

    /// No ceiling: the default.
    #[must_use]
    pub fn none() -> Self {
        Self { rate: Rate::none() }
    }

    /// Refuses nothing, but says in events what it would have refused.
    #[must_use]
    pub fn monitor(mut self) -> Self {
        self.rate.monitor();
        self
    }

    /// Counts one request; `Err` with the time to wait if it is too many.
    pub(crate) fn count(&self, client: &ClientId, now: Duration) -> Result<(), Duration> {
        self.rate.meter().map_or(Ok(()), |meter| meter.count(client, now).map(drop))
    }

    pub(crate) fn is_monitor(&self) -> bool {
        self.rate.is_monitor()
    }

    /// Whether its rate is one that can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        self.rate.check("IntrospectionCeiling::per_client")
    }
}

impl Default for IntrospectionCeiling {
    /// None.
    fn default() -> Self {
        Self::none()
    }
}

impl std::fmt::Debug for IntrospectionCeiling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntrospectionCeiling").field("rate", &self.rate).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_count_each_for_itself() {
        let ceiling = IntrospectionCeiling::per_client(1, 1);
        let count = |id: &str| ceiling.count(&ClientId::new(id).unwrap(), Duration::ZERO).is_ok();
        assert!(count("one") && count("two") && !count("one"));
    }

    #[test]
    fn no_ceiling_is_no_mistake_whatever_its_mode() {
        assert!(IntrospectionCeiling::none().monitor().check().is_ok());
        assert!(IntrospectionCeiling::per_client(1, 0).check().is_err());
    }
}
