//! Whether a request came over TLS (RFC 6749 section 1.6).

use std::net::IpAddr;

use http::request::Parts;

use crate::protocol::ip_network::IpNetwork;

/// A request extension by which the host says that this request came over TLS.
#[derive(Clone, Copy, Debug)]
pub struct SecureTransport;

/// How the endpoint learns that a request came over TLS, as RFC 6749 section 3.2 demands. A library cannot see it by
/// itself.
#[derive(Clone, Debug, Default)]
pub struct TransportSecurity(Policy);

#[derive(Clone, Debug, Default)]
enum Policy {
    #[default]
    Unchecked,
    Marked,
    Forwarded(Vec<IpNetwork>),
}

impl TransportSecurity {
    /// The host takes care of it. This is the default.
    #[must_use]
    pub const fn unchecked() -> Self {
        Self(Policy::Unchecked)
    }

    /// Only requests that carry the [`SecureTransport`] extension are served.
    #[must_use]
    pub const fn marked() -> Self {
        Self(Policy::Marked)
    }

    /// Only requests are served that carry [`SecureTransport`], or whose peer is one of these proxies and whose last
    /// `X-Forwarded-Proto` value is `https`. Needs a [`PeerAddress`](crate::PeerAddress).
    /// [`build`](crate::Builder::build) refuses networks that cannot hold proxies alone (`0.0.0.0/0`).
    #[must_use]
    pub fn forwarded_by(proxies: impl IntoIterator<Item = IpNetwork>) -> Self {
        Self(Policy::Forwarded(proxies.into_iter().collect()))
    }

    pub(crate) fn needs_peer(&self) -> bool {
        matches!(self.0, Policy::Forwarded(_))
    }

    /// The proxies whose word is taken.
    pub(crate) fn networks(&self) -> &[IpNetwork] {
        match &self.0 {
            Policy::Unchecked | Policy::Marked => &[],
            Policy::Forwarded(proxies) => proxies,
        }
    }

    pub(crate) fn permits(&self, parts: &Parts, peer: Option<IpAddr>) -> bool {
        let marked = || parts.extensions.get::<SecureTransport>().is_some();
        match &self.0 {
            Policy::Unchecked => true,
            Policy::Marked => marked(),
            Policy::Forwarded(proxies) => {
                let trusted = peer.is_some_and(|peer| proxies.iter().any(|net| net.contains(peer)));
                let last = parts.headers.get_all("x-forwarded-proto").iter().next_back();
                let secure = last
                    .and_then(|value| value.to_str().ok()?.rsplit(',').next())
                    .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
                marked() || (trusted && secure)
            }
        }
    }
}
