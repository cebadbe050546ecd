//! Where a request comes from, on which attempts are counted.

use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::trail::Trail;
use crate::boundary::peer::{PeerAddress, Source};
use crate::protocol::address::Sender;
use crate::protocol::client::registered::Client;
use crate::protocol::ip_network::IpNetwork;
use crate::protocol::wire::forwarded;

/// Whose word is taken for an address, and which addresses are on the allow-list.
pub(crate) struct Senders {
    peer: PeerAddress,
    /// In which a client names its end user, if it may.
    end_user_header: HeaderName,
    /// The allow-list.
    exempt: Vec<IpNetwork>,
}

impl Senders {
    pub(crate) fn new(peer: PeerAddress, end_user_header: HeaderName, exempt: Vec<IpNetwork>) -> Self {
        Self { peer, end_user_header, exempt }
    }

    /// The addresses of this request; `Err` if there should be one and there is none.
    #[inline]
    pub(super) fn of(&self, head: &Parts) -> Result<Source, ()> {
        self.peer.of(head)
    }

    /// From here on the end user's address counts, if the client is one that may name it. What it did to authenticate
    /// was counted on the address that it came from.
    #[inline]
    pub(super) fn note_end_user(&self, headers: &HeaderMap, client: &Client, trail: &mut Trail) {
        if client.trusts_end_user_address()
            && let Some(user) = forwarded::end_user(headers, &self.end_user_header)
        {
            trail.caller.address = Some(user.counted());
            trail.caller.is_exempt = self.is_exempt(Some(user));
        }
    }

    /// Whether the sender is on the allow-list.
    #[inline]
    pub(super) fn is_exempt(&self, sender: Option<Sender>) -> bool {
        !self.exempt.is_empty()
            && sender.is_some_and(|sender| self.exempt.iter().any(|network| network.contains(sender.machine())))
    }
}
