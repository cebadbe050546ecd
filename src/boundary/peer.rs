//! Where a request comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::Extensions;
use http::request::Parts;

use crate::protocol::address::canonical;

/// Where the endpoint finds the address of its peer, which the budgets of attempts are counted on.
///
/// Nothing in a request tells it reliably: the server that accepted the connection has to put it into the request's
/// extensions. If it is configured and missing, requests are refused with 500 and an event that names the cure; they
/// never share one budget.
///
/// ```
/// use tower_password_grant::PeerAddress;
/// # #[derive(Clone)] struct ConnectInfo<T>(T);
///
/// // axum, with `into_make_service_with_connect_info::<SocketAddr>()`:
/// let source = PeerAddress::extension(|info: &ConnectInfo<std::net::SocketAddr>| Some(info.0.ip()));
/// ```
#[derive(Clone)]
pub struct PeerAddress(Origin);

/// Where a request comes from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Source {
    /// The connection's own address.
    pub(crate) peer: Option<IpAddr>,
    /// The address that counts.
    pub(crate) address: Option<IpAddr>,
}

type Read = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

#[derive(Clone)]
enum Origin {
    Extension(Arc<Read>),
    Unknown,
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
        Self(Origin::Extension(Arc::new(move |extensions| extensions.get::<T>().and_then(&read))))
    }

    /// The address lies in a request extension of type [`SocketAddr`], which your accept loop puts there.
    #[must_use]
    pub fn socket_addr() -> Self {
        Self::extension(|address: &SocketAddr| Some(address.ip()))
    }

    /// There is no address. Attempts are then counted per account alone, so anybody can lock anybody out: choose it only
    /// where all requests come from one trusted place, or in tests.
    #[must_use]
    pub const fn unknown() -> Self {
        Self(Origin::Unknown)
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.0, Origin::Unknown)
    }

    /// The addresses, with IPv4 in its own form; `Err` if one should be there and is not, or reading it panicked.
    pub(crate) fn of(&self, head: &Parts) -> Result<Source, ()> {
        match &self.0 {
            Origin::Unknown => Ok(Source::default()),
            Origin::Extension(read) => {
                // It runs where the request is accepted, outside what contains the other parts.
                let address = catch_unwind(AssertUnwindSafe(|| read(&head.extensions))).ok().flatten();
                let peer = canonical(address.ok_or(())?);
                Ok(Source { peer: Some(peer), address: Some(peer) })
            }
        }
    }
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Origin::Extension(_) => "PeerAddress::extension",
            Origin::Unknown => "PeerAddress::unknown",
        })
    }
}
