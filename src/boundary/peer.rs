//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};

use crate::protocol::address::Sender;
use crate::protocol::ip_network::IpNetwork;
use crate::protocol::wire::forwarded::{self, Notation};

/// Where the endpoint finds the address that a request comes from, which the budgets of attempts are counted on.
///
/// No part of a request says it reliably: the server that accepted the connection has to put it into the request's
/// extensions. If it is configured and missing, requests are refused with 500 and an event that says what to do; they
/// never share one budget. Headers are believed only from [proxies that you name](Self::behind).
///
/// ```
/// use tower_password_grant::PeerAddress;
/// use tower_password_grant::mount::TrustedProxies;
/// # #[derive(Clone)] struct ConnectInfo<T>(T);
///
/// // axum, with `into_make_service_with_connect_info::<SocketAddr>()`:
/// let peer = |info: &ConnectInfo<std::net::SocketAddr>| Some(info.0.ip());
/// let source = PeerAddress::extension(peer);
/// // Behind a proxy that adds the client's address to `X-Forwarded-For`:
/// let source = source.behind(TrustedProxies::x_forwarded_for(["10.0.0.2/32".parse()?]));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PeerAddress {
    place: Place,
    proxies: Option<TrustedProxies>,
}

type Read = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

#[derive(Clone)]
enum Place {
    Extension(Arc<Read>),
    Unknown,
}

/// The two addresses of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Source {
    /// The other end of the connection.
    pub(crate) peer: Option<IpAddr>,
    /// The one that counts: the peer, or the machine from which trusted proxies got the request.
    pub(crate) sender: Option<Sender>,
}

impl PeerAddress {
    /// The address lies in the request extension of type `T`: `ConnectInfo<SocketAddr>` in axum, `TcpConnectInfo` in
    /// tonic, or your own.
    #[must_use]
    pub fn extension<T, F>(read: F) -> Self
    where
        T: Clone + Send + Sync + 'static,
        F: Fn(&T) -> Option<IpAddr> + Send + Sync + 'static,
    {
        let read = Arc::new(move |extensions: &Extensions| extensions.get::<T>().and_then(&read));
        Self { place: Place::Extension(read), proxies: None }
    }

    /// The address lies in a request extension of type [`SocketAddr`], which your accept loop puts there.
    #[must_use]
    pub fn socket_addr() -> Self {
        Self::extension(|address: &SocketAddr| Some(address.ip()))
    }

    /// There is no address. Attempts are then counted per account alone, so any sender can lock any account out: choose it only
    /// where all requests come from one trusted place, or in tests.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { place: Place::Unknown, proxies: None }
    }

    /// Connections from these proxies are theirs, not the client's: what they write into one header says from where
    /// they got the request. Default: no header is believed. Needed behind every proxy, or all users share its budget. A
    /// second call replaces the first.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Self {
        Self { proxies: Some(proxies), ..self }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.place, Place::Unknown)
    }

    pub(crate) fn proxies(&self) -> Option<&TrustedProxies> {
        self.proxies.as_ref()
    }

    /// The addresses of this request; `Err` if the peer's should be there and is not, or reading it panicked.
    pub(crate) fn of(&self, head: &Parts) -> Result<Source, ()> {
        let Place::Extension(read) = &self.place else { return Ok(Source::default()) };
        // It runs where the request is accepted, outside what contains the other parts.
        let peer = catch_unwind(AssertUnwindSafe(|| read(&head.extensions))).ok().flatten().ok_or(())?;
        let own = Sender::of(peer);
        let peer = own.machine();
        let sender = match &self.proxies {
            Some(proxies) => Sender::of(proxies.sender(peer, &head.headers)),
            None => own,
        };
        Ok(Source { peer: Some(peer), sender: Some(sender) })
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            Place::Extension(_) => "PeerAddress::extension",
            Place::Unknown => "PeerAddress::unknown",
        })?;
        self.proxies.as_ref().map_or(Ok(()), |proxies| write!(f, " behind {proxies:?}"))
    }
}

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

    fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
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
