//! Where a request comes from, on which attempts are counted.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::boundary::peer::{PeerAddress, Source};
use crate::protocol::address::Sender;
use crate::protocol::forwarded;

/// Whose word is taken for an address, and which addresses are on the allow-list.
pub(crate) struct Senders {
    peer: PeerAddress,
    /// In which a client names its end user, if it may.
    end_user_header: HeaderName,
    /// The allow-list.
    exempt: Vec<IpNet>,
}

impl Senders {
    pub(crate) fn new(peer: PeerAddress, end_user_header: HeaderName, exempt: Vec<IpNet>) -> Self {
        Self { peer, end_user_header, exempt }
    }

    /// The addresses of this request; `Err` if there should be one and there is none.
    pub(super) fn of(&self, head: &Parts) -> Result<Source, ()> {
        self.peer.of(head)
    }

    /// The address of the end user whom the client names, and whether it is on the allow-list.
    pub(super) fn end_user(&self, headers: &HeaderMap) -> Option<(IpAddr, bool)> {
        let user = forwarded::end_user(headers, &self.end_user_header)?;
        Some((user.counted(), self.is_exempt(Some(user))))
    }

    /// Whether the sender is on the allow-list.
    pub(super) fn is_exempt(&self, sender: Option<Sender>) -> bool {
        sender.is_some_and(|sender| self.exempt.iter().any(|network| network.contains(&sender.machine())))
    }
}
