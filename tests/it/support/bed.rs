//! An endpoint whose budgets are spent from many addresses.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tower_password_grant::mount::IpNetwork;
use tower_password_grant::{Client, PasswordGrantLayer, StaticClients};

use crate::support::capture::{self, Audited};
use crate::support::{self, Answer, CONF, FixtureBuilder, PW, Probe, from_peer, send, token_request};

/// The most failures of one account from one address.
pub const BUDGET: usize = 10;

pub const PROXY: &str = "10.0.0.1";
pub const STRANGER: &str = "198.51.100.7";

pub type Headers<'a> = &'a [(&'a str, &'a str)];

pub fn nets(networks: &[&str]) -> Vec<IpNetwork> {
    networks.iter().map(|network| network.parse().unwrap()).collect()
}

/// An endpoint with the fixture's clients, one that may name end users (`bff`), and everything it tells.
pub struct Bed {
    pub layer: PasswordGrantLayer,
    pub audit: Arc<Mutex<Vec<Audited>>>,
    guesses: AtomicUsize,
}

impl Bed {
    pub fn with(change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Self {
        capture::keep_listening();
        let (audit, sink) = capture::sink();
        let bff = Client::confidential("bff", &support::digest("bffpw")).trust_end_user_address();
        let bff = bff.allow_password_grant().allow_grant("urn:x:seen").scopes("read").default_scope("read").build();
        let clients = support::clients().into_iter().chain([bff.unwrap()]);
        let builder = support::builder(&Probe::default()).clients(StaticClients::new(clients).unwrap()).audit(sink);
        Self { layer: change(builder).build().unwrap(), audit, guesses: AtomicUsize::new(0) }
    }

    /// A token request of the client `conf`, unless the headers say otherwise.
    pub async fn post(&self, peer: &str, headers: Headers<'_>, body: &str) -> Answer {
        let mut headers = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            headers.push(("authorization", CONF));
        }
        send(&self.layer, from_peer(token_request(&headers, body), peer)).await
    }

    /// A wrong password, never the same twice.
    pub async fn guess(&self, peer: &str, headers: Headers<'_>, account: &str) -> Answer {
        let guess = self.guesses.fetch_add(1, Relaxed);
        self.post(peer, headers, &format!("grant_type=password&username={account}&password=wrong{guess}")).await
    }

    pub async fn login(&self, peer: &str, headers: Headers<'_>) -> Answer {
        self.post(peer, headers, PW).await
    }

    pub fn last(&self) -> Audited {
        self.audit.lock().unwrap().last().unwrap().clone()
    }

    /// The address that counted, and the connection's own.
    pub fn addresses(&self) -> (Option<IpAddr>, Option<IpAddr>) {
        let event = self.last();
        (event.address, event.peer)
    }

    #[track_caller]
    pub fn assert_counted_on(&self, address: &str, peer: &str) {
        assert_eq!(self.addresses(), (address.parse().ok(), peer.parse().ok()));
    }
}
