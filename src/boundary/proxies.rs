//! Proxies whose headers say where a request comes from.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::protocol::ip_network::IpNetwork;
use crate::protocol::wire::forwarded::{self, Notation};

/// Proxies whose word is taken for the address that a request comes from, and the one header that they write it into.
///
/// The header is read from the right, all its lines as one: as long as the hop that wrote an entry is in a named
/// network, the next entry to the left counts. The first address that is in none is the client's; what stands left of it
/// was written by the client and is not looked at. An entry that is no address (`unknown`, an obfuscated name, a zone, a
/// leading zero, nothing), the 65th entry or what lies beyond 8 KiB leaves the request with the nearest hop that was good.
///
/// Name the one header that all your proxies add to. If yours set one and let the other pass, the other is the client's
/// word. Name networks that hold nothing but proxies: every other machine in them could claim any address.
#[derive(Clone)]
pub struct TrustedProxies {
    notation: Notation,
    networks: Arc<[IpNetwork]>,
}

impl TrustedProxies {
    /// Proxies in these networks, which add the address from which they got the request to `X-Forwarded-For`, with or
    /// without its port; IPv6 with a port stands in brackets. [`build`](crate::Builder::build) refuses an empty list and
    /// networks that cannot hold proxies alone (`0.0.0.0/0`).
    #[must_use]
    pub fn x_forwarded_for(networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        Self::new(Notation::XForwardedFor, networks)
    }

    /// The same for proxies that write `Forwarded` (RFC 7239): its `for` parameter counts.
    #[must_use]
    pub fn forwarded(networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        Self::new(Notation::Forwarded, networks)
    }

    fn new(notation: Notation, networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        Self { notation, networks: networks.into_iter().collect() }
    }

    pub(crate) fn networks(&self) -> &[IpNetwork] {
        &self.networks
    }

    /// The machine from which they got a request that this peer sent.
    pub(super) fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(self.notation.header());
        forwarded::sender(peer, self.notation, lines.iter().map(HeaderValue::as_bytes), |hop| {
            self.networks.iter().any(|network| network.contains(hop))
        })
    }
}

impl fmt::Debug for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of ", self.notation.header())?;
        f.debug_list().entries(self.networks.iter()).finish()
    }
}
