//! An endpoint all of whose parts can be made to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tower_password_grant::audit::AuditEvent;
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::{Client, PasswordGrant, PasswordGrantLayer, PeerAddress};

use crate::support::faults::{CODE_GRANT, Code, Issuer, Ledger, Registry, Switch, Ticket, Users};
use crate::support::protection::counted_by;
use crate::support::{self, Answer, CONF, PW, digest, token_request};

pub const TICKET: &str = "grant_type=password&username=alice&password=correct+horse&ticket=tic&stamp=valid";
pub const CODE: &str = "grant_type=urn:x:code&code=1234&account=alice";

#[derive(Clone)]
pub struct World {
    pub users: Users,
    pub registry: Registry,
    pub issuer: Issuer,
    pub ledger: Ledger,
    pub ticket: Ticket,
    pub code: Code,
    pub sink_panics: Arc<AtomicBool>,
    pub events: Arc<AtomicUsize>,
    pub layer: PasswordGrantLayer,
}

impl World {
    pub fn new() -> Self {
        Self::with(0, Some(Duration::from_millis(50)))
    }

    /// Every part is pending `waits` times before it works.
    pub fn with(waits: usize, deadline: Option<Duration>) -> Self {
        let switch = || Switch::waiting(waits);
        let users = Users { verify: switch(), key: switch(), ..Users::new() };
        let full = |client: tower_password_grant::client::ClientBuilder| {
            let client = client.allow_password_grant().allow_grant(CODE_GRANT).allow_origin("https://app.example");
            client.scopes("read write").default_scope("read").build().unwrap()
        };
        let clients = vec![
            full(Client::confidential("conf", &digest("s3cret"))),
            full(Client::public("pub")),
            full(Client::with_method("tic", "ticket")),
        ];
        let registry = Registry { switch: switch(), clients: Arc::new(clients) };
        let issuer = Issuer { switch: switch(), ..Issuer::new() };
        let ledger = Ledger::new(switch(), switch());
        let ticket = Ticket { claim: switch(), verify: switch() };
        let code = Code { key: switch(), exchange: switch() };
        let (sink_panics, events) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (panics, count) = (Arc::clone(&sink_panics), Arc::clone(&events));
        let layer = PasswordGrant::builder()
            .clients(registry.clone())
            .verifier(users.clone())
            .issuer(issuer.clone())
            .attack_protection(counted_by(ledger.clone()))
            .client_auth_method(ticket.method())
            .extension_grant(code.clone())
            .audit(move |_: &AuditEvent<'_>| {
                count.fetch_add(1, SeqCst);
                assert!(!panics.load(SeqCst), "the sink panics on purpose");
            })
            .peer_address(PeerAddress::socket_addr())
            .request_limits(RequestLimits::new().deadline(deadline))
            .build()
            .unwrap();
        Self { users, registry, issuer, ledger, ticket, code, sink_panics, events, layer }
    }

    /// A right password from the confidential client.
    pub async fn login(&self) -> Answer {
        self.post(&[("authorization", CONF)], PW).await
    }

    /// The same with a wrong password.
    pub async fn guess(&self) -> Answer {
        self.post(&[("authorization", CONF)], "grant_type=password&username=alice&password=wrong").await
    }

    pub async fn post(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        support::send(&self.layer, token_request(headers, body)).await
    }

    /// How many futures of the parts are alive.
    pub fn alive(&self) -> i64 {
        let switches = [
            &self.users.verify,
            &self.users.key,
            &self.registry.switch,
            &self.issuer.switch,
            &self.ledger.reserve,
            &self.ledger.settle,
            &self.ticket.verify,
            &self.code.exchange,
        ];
        switches.iter().map(|switch| switch.alive()).sum()
    }
}
