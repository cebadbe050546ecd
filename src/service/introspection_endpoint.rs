use std::time::Duration;

use crate::limiter::ceiling::introspections::IntrospectionCeiling;

/// The introspection endpoint (RFC 7662): where it is served, how long its answers may be kept, and how many requests it takes.
/// Given to [`Builder::introspection`](crate::Builder::introspection).
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::token::IntrospectionEndpoint;
///
/// let seconds = Duration::from_secs(5);
/// let introspection = IntrospectionEndpoint::at("/oauth/introspect").max_age(seconds);
/// ```
#[derive(Debug)]
#[must_use]
pub struct IntrospectionEndpoint {
    pub(super) path: Option<String>,
    pub(super) max_age: Option<Duration>,
    pub(super) ceiling: IntrospectionCeiling,
}

impl IntrospectionEndpoint {
    /// At this path of the layer, compared byte by byte.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses what is no absolute path, and the path of another endpoint or document.
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::as_leaf() }
    }

    /// At no path of the layer: a router mounts the [leaf service](crate::PasswordGrantLayer::introspection_endpoint).
    pub fn as_leaf() -> Self {
        Self { path: None, max_age: None, ceiling: IntrospectionCeiling::none() }
    }

    /// How long a resource server may keep an answer about an active token, in whole seconds, but never beyond the token's end:
    /// sent as `Cache-Control: private`. Default: not at all. A revoked token is taken as good for as long.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How many introspection requests are taken of one client that has authenticated and
    /// [may ask](crate::client::ClientBuilder::allow_introspection), over all its addresses. Default: no ceiling, because any sender
    /// can write made-up tokens to an API and so make it ask, and its good tokens must not suffer. Set one where an API that
    /// you do not run could take the processor or the store from the others, well above what it asks in its busiest second.
    pub fn ceiling(mut self, ceiling: IntrospectionCeiling) -> Self {
        self.ceiling = ceiling;
        self
    }
}
