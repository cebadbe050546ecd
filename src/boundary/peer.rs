//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::Extensions;
use http::request::Parts;

use super::proxies::TrustedProxies;
use crate::protocol::address::Sender;

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
    #[inline]
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
