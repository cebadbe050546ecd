//! A server that logs in for its users and names the address of each: it counts from an authenticated confidential client
//! with the permission, and from nobody else.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderName;
use tower_password_grant::audit::Reason;
use tower_password_grant::client::{ClientAuthentication, ClientError};
use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::mount::TrustedProxies;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, PeerAddress, StaticClients, Verdict,
};

use crate::support::bed::{BUDGET, Bed, PROXY, STRANGER, nets};
use crate::support::capture::Capture;
use crate::support::faults::Ticket;
use crate::support::grants::OwnGrant;
use crate::support::server::{Connection, Server, raw_request};
use crate::support::{self, PW, basic, digest};

/// The header's default name.
const END_USER: &str = "auth0-forwarded-for";

/// Where the server stands that logs in for its users.
const SERVER: &str = "198.51.100.80";

/// Headers with these credentials.
fn by<'a>(credentials: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("authorization", credentials)], more].concat()
}

#[tokio::test]
async fn each_end_user_has_a_budget_of_its_own_t43() {
    let bed = Bed::with(|builder| builder);
    let bff = basic("bff", "bffpw");
    for _ in 0..BUDGET {
        let attacker = by(&bff, &[(END_USER, "203.0.113.5")]);
        bed.guess(SERVER, &attacker, "alice").await.assert_error(400, "invalid_grant");
        bed.assert_counted_on("203.0.113.5", SERVER);
    }
    // Another spelling of the address is no other budget.
    for spelling in ["203.0.113.5", "::ffff:203.0.113.5", "64:ff9b::203.0.113.5", "2002:cb00:7105::1"] {
        bed.login(SERVER, &by(&bff, &[(END_USER, spelling)])).await.assert_error(429, "too_many_attempts");
        assert_eq!(bed.last().reason, Some(Reason::AccountThrottled));
        bed.assert_counted_on("203.0.113.5", SERVER);
    }
    // Nor is the way in without the server.
    bed.login("203.0.113.5", &[]).await.assert_error(429, "too_many_attempts");
    // The victim behind the same server, and the server itself, are not locked out.
    bed.login(SERVER, &by(&bff, &[(END_USER, "203.0.113.6")])).await.assert_ok();
    bed.assert_counted_on("203.0.113.6", SERVER);
    bed.login(SERVER, &by(&bff, &[])).await.assert_ok();
    bed.assert_counted_on(SERVER, SERVER);
}

#[tokio::test]
async fn nobody_else_names_an_end_user_t43() {
    let bed = Bed::with(|builder| builder);
    let (conf, bff) = (basic("conf", "s3cret"), basic("bff", "wrong"));
    // A confidential client without the permission, a public client, one that names the trusted one's id.
    let others: [(Option<&str>, &str, u16); 4] =
        [(Some(&conf), "", 200), (None, "&client_id=pub", 200), (None, "&client_id=bff", 400), (Some(&bff), "", 401)];
    for (credentials, more, status) in others {
        let body = format!("{PW}{more}");
        let headers = [(END_USER, "203.0.113.5")];
        let headers = credentials.map_or(headers.to_vec(), |credentials| by(credentials, &headers));
        let request = support::from_peer(support::token_request(&headers, &body), STRANGER);
        assert_eq!(support::send(&bed.layer, request).await.status, status, "{credentials:?} {body}");
        bed.assert_counted_on(STRANGER, STRANGER);
    }
    // So a header that changes each time buys no guess, neither at a password ...
    for attempt in 0..BUDGET + 2 {
        let user = format!("203.0.113.{attempt}");
        let answer = bed.guess(STRANGER, &by(&conf, &[(END_USER, &user)]), "alice").await;
        assert_eq!(answer.status, if attempt < BUDGET { 400 } else { 429 });
    }
    bed.login(SERVER, &[]).await.assert_ok();
    // ... nor at the trusted client's secret.
    let mut throttled = 0;
    for attempt in 0..2 * BUDGET {
        let (user, secret) = (format!("203.0.113.{attempt}"), basic("bff", &format!("wrong{attempt}")));
        let answer = bed.login(STRANGER, &by(&secret, &[(END_USER, &user)])).await;
        bed.assert_counted_on(STRANGER, STRANGER);
        throttled += usize::from(answer.status == 429);
    }
    // One was spent above.
    assert_eq!(throttled, BUDGET + 1);
    bed.login(SERVER, &by(&basic("bff", "bffpw"), &[(END_USER, "203.0.113.5")])).await.assert_ok();
}

#[tokio::test]
async fn what_is_not_one_bare_address_leaves_the_count_with_the_server_t43_t44() {
    let bed = Bed::with(|builder| builder);
    let bff = basic("bff", "bffpw");
    let malformed = [
        "203.0.113.5, 203.0.113.6",
        "203.0.113.5,",
        "203.0.113.5:80",
        "[2001:db8::5]",
        "[2001:db8::5]:80",
        "fe80::5%eth0",
        "203.0.113.05",
        "0xcb.0.113.5",
        "203.0.113",
        "for=203.0.113.5",
        "\"203.0.113.5\"",
        "unknown",
        "",
    ];
    for (attempt, value) in malformed.iter().enumerate() {
        let answer = bed.guess(SERVER, &by(&bff, &[(END_USER, value)]), "alice").await;
        assert_eq!(answer.status, if attempt < BUDGET { 400 } else { 429 }, "{value}");
        bed.assert_counted_on(SERVER, SERVER);
    }
    let two = [(END_USER, "203.0.113.5"), (END_USER, "203.0.113.5")];
    bed.login(SERVER, &by(&bff, &two)).await.assert_error(429, "too_many_attempts");
    bed.assert_counted_on(SERVER, SERVER);
    // No other header counts.
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "x-auth0-forwarded-for", "auth0_forwarded_for"] {
        bed.login(SERVER, &by(&bff, &[(name, "203.0.113.5")])).await.assert_error(429, "too_many_attempts");
    }
    bed.login(SERVER, &by(&bff, &[(END_USER, "2001:db8::5")])).await.assert_ok();
    bed.assert_counted_on("2001:db8::5", SERVER);
}

#[tokio::test]
async fn the_header_is_that_of_the_operators_choice() {
    let bed = Bed::with(|builder| builder.end_user_address_header(HeaderName::from_static("x-end-user")));
    let bff = basic("bff", "bffpw");
    bed.login(SERVER, &by(&bff, &[("X-End-User", "203.0.113.5"), (END_USER, "203.0.113.6")])).await.assert_ok();
    bed.assert_counted_on("203.0.113.5", SERVER);
    bed.login(SERVER, &by(&bff, &[(END_USER, "203.0.113.6")])).await.assert_ok();
    bed.assert_counted_on(SERVER, SERVER);
}

#[tokio::test]
async fn behind_proxies_the_servers_own_address_is_the_resolved_one() {
    let bed = Bed::with(|builder| {
        let proxies = TrustedProxies::x_forwarded_for(nets(&["10.0.0.0/8"]));
        builder.peer_address(PeerAddress::socket_addr().behind(proxies))
    });
    let bff = basic("bff", "bffpw");
    let chain = ("x-forwarded-for", SERVER);
    bed.login(PROXY, &by(&bff, &[chain, (END_USER, "203.0.113.5")])).await.assert_ok();
    bed.assert_counted_on("203.0.113.5", PROXY);
    bed.login(PROXY, &by(&bff, &[chain])).await.assert_ok();
    bed.assert_counted_on(SERVER, PROXY);
    // A wrong secret is charged to where it came from, not to the proxy that others share.
    for attempt in 0..=BUDGET {
        let wrong = basic("bff", &format!("wrong{attempt}"));
        let answer = bed.login(PROXY, &by(&wrong, &[chain, (END_USER, "203.0.113.5")])).await;
        assert_eq!(answer.status, if attempt < BUDGET { 401 } else { 429 });
        bed.assert_counted_on(SERVER, PROXY);
    }
    let other = ("x-forwarded-for", "198.51.100.81");
    bed.login(PROXY, &by(&bff, &[other, (END_USER, "203.0.113.5")])).await.assert_ok();
}

#[tokio::test]
async fn it_counts_even_where_peers_are_unknown() {
    let bed = Bed::with(|builder| builder.peer_address(PeerAddress::unknown()));
    let bff = basic("bff", "bffpw");
    for _ in 0..BUDGET {
        bed.guess(SERVER, &by(&bff, &[(END_USER, "203.0.113.5")]), "alice").await.assert_error(400, "invalid_grant");
    }
    assert_eq!(bed.addresses(), ("203.0.113.5".parse().ok(), None));
    bed.login(SERVER, &by(&bff, &[(END_USER, "203.0.113.5")])).await.assert_error(429, "too_many_attempts");
    bed.login(SERVER, &by(&bff, &[(END_USER, "203.0.113.6")])).await.assert_ok();
}

/// Keeps the addresses that verifier and grant were told.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Option<IpAddr>>>>);

#[async_trait]
impl CredentialVerifier for Seen {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.0.lock().unwrap().push(attempt.address());
        Ok(Denial::WrongPassword.into())
    }
}

impl Seen {
    fn grant(&self) -> OwnGrant {
        let (keyed, exchanged) = (self.clone(), self.clone());
        let grant = OwnGrant::new("urn:x:seen", &[], move |request| {
            exchanged.0.lock().unwrap().push(request.address());
            Ok(Denial::WrongPassword.into())
        });
        grant.on_account(move |request| {
            keyed.0.lock().unwrap().push(request.address());
            Some(AccountKey::resolved("alice"))
        })
    }
}

#[tokio::test]
async fn verifiers_and_grants_are_told_the_address_that_counts() {
    let seen = Seen::default();
    let client = |id: &str| {
        let client = Client::confidential(id, &digest("s3cret")).allow_password_grant().allow_grant("urn:x:seen");
        client.scopes("read").default_scope("read")
    };
    let clients = [client("bff").trust_end_user_address(), client("conf")].map(|client| client.build().unwrap());
    let layer = support::builder(&support::Probe::default()).verifier(seen.clone()).extension_grant(seen.grant());
    let layer = layer.clients(StaticClients::new(clients).unwrap()).build().unwrap();
    for body in [PW, "grant_type=urn:x:seen"] {
        for (id, expected) in [("bff", "203.0.113.5"), ("conf", SERVER)] {
            let credentials = basic(id, "s3cret");
            let headers = by(&credentials, &[(END_USER, "::ffff:203.0.113.5")]);
            let request = support::from_peer(support::token_request(&headers, body), SERVER);
            support::send(&layer, request).await.assert_error(400, "invalid_grant");
            let told = std::mem::take(&mut *seen.0.lock().unwrap());
            assert!(!told.is_empty() && told.iter().all(|told| *told == expected.parse().ok()), "{told:?}");
        }
    }
}

/// A client that authenticates by the application's own method is a confidential one.
#[tokio::test]
async fn a_method_of_the_applications_own_authenticates_it_too() {
    let ticket = Client::with_method("tic", "ticket").trust_end_user_address().allow_password_grant();
    let ticket = ticket.scopes("read").default_scope("read").build().unwrap();
    let bed = Bed::with(|builder| {
        builder.clients(StaticClients::new([ticket]).unwrap()).client_auth_method(Ticket::new().method())
    });
    for (stamp, status, counted) in [("valid", 200, "203.0.113.5"), ("forged", 401, SERVER)] {
        let body = format!("{PW}&ticket=tic&stamp={stamp}");
        let request = support::token_request(&[(END_USER, "203.0.113.5")], &body);
        let answer = support::send(&bed.layer, support::from_peer(request, SERVER)).await;
        assert_eq!(answer.status, status);
        bed.assert_counted_on(counted, SERVER);
    }
}

#[test]
fn a_public_client_cannot_be_trusted_with_it() {
    let refused = |error| assert_eq!(error, ClientError::EndUserAddress);
    refused(Client::public("cli").trust_end_user_address().build().unwrap_err());
    let made_public = Client::with_method("cli", "x").authenticate_by(ClientAuthentication::None);
    refused(made_public.trust_end_user_address().build().unwrap_err());
    let message = ClientError::EndUserAddress.to_string();
    assert!(message.contains("needs a confidential client"), "{message}");
}

#[tokio::test]
async fn tracing_tells_the_connection_where_it_is_another_than_what_counts() {
    let bed = Bed::with(|builder| builder);
    let (capture, _guard) = Capture::listen();
    let (bff, wrong) = (basic("bff", "bffpw"), basic("bff", "wrong"));
    capture.clear();
    let named = [(END_USER, "203.0.113.5")];
    bed.login(SERVER, &by(&bff, &named)).await.assert_ok();
    bed.guess(SERVER, &by(&bff, &named), "alice").await.assert_error(400, "invalid_grant");
    bed.login(SERVER, &by(&bff, &[])).await.assert_ok();
    bed.login(SERVER, &by(&wrong, &named)).await.assert_error(401, "invalid_client");
    let told: Vec<_> = capture
        .events()
        .iter()
        .map(|said| (said.field("address").map(str::to_owned), said.field("peer").map(str::to_owned)))
        .collect();
    let (user, server) = (Some("203.0.113.5".to_owned()), Some(SERVER.to_owned()));
    let both = (user, server.clone());
    assert_eq!(told, [both.clone(), both, (server.clone(), None), (server, None)]);
}

#[tokio::test]
async fn over_a_socket_each_line_counts_t43() {
    let bed = Bed::with(|builder| builder);
    let server = Server::start(&bed.layer).await;
    let mut connection = Connection::open(server.address).await;
    let bff = basic("bff", "bffpw");
    for (lines, counted) in [
        ("Auth0-Forwarded-For:  203.0.113.5 \r\n", "203.0.113.5"),
        ("auth0-forwarded-for: 2001:db8::5\r\n", "2001:db8::5"),
        ("auth0-forwarded-for: 203.0.113.5\r\nAuth0-Forwarded-For: 203.0.113.5\r\n", "127.0.0.1"),
        ("auth0-forwarded-for: 203.0.113.5\r\nAuth0-Forwarded-For:\r\n", "127.0.0.1"),
        ("", "127.0.0.1"),
    ] {
        let request = raw_request(&format!("Authorization: {bff}\r\n{lines}"), PW);
        connection.exchange(request).await.assert_ok();
        bed.assert_counted_on(counted, "127.0.0.1");
    }
}

#[tokio::test]
async fn an_address_that_was_made_from_one_on_the_allow_list_is_not_that_machine_however_it_comes_in() {
    let proxies = TrustedProxies::x_forwarded_for(nets(&["10.0.0.1/32"]));
    let own = nets(&["192.0.2.33/32", "2002:cb00:7109::/48"]);
    let bed = Bed::with(|builder| {
        builder
            .peer_address(PeerAddress::socket_addr().behind(proxies.clone()))
            .attack_protection(AttackProtection::new().exempt_networks(own))
    });
    let bff = basic("bff", "bffpw");
    // 6to4, NAT64 by the well-known prefix and by one of the site's own, Teredo, and forms that nobody uses any more.
    let made = [
        "2002:c000:221::1",
        "64:ff9b::192.0.2.33",
        "64:ff9b:1::192.0.2.33",
        "2001:0:4136:e378:8000:63bf:3fff:fdde",
        "::192.0.2.33",
        "::ffff:0:192.0.2.33",
        "2001:db8::200:5efe:192.0.2.33",
    ];
    for way in ["peer", "proxy", "end user"] {
        let is_spared = async |address: &str, account: &str| {
            let mut throttled = 0;
            for _ in 0..=BUDGET {
                let answer = match way {
                    "peer" => bed.guess(address, &[], account).await,
                    "proxy" => bed.guess(PROXY, &[("x-forwarded-for", address)], account).await,
                    _ => bed.guess(SERVER, &by(&bff, &[(END_USER, address)]), account).await,
                };
                throttled += usize::from(answer.status == 429);
            }
            throttled == 0
        };
        for (number, address) in made.iter().enumerate() {
            assert!(!is_spared(address, &format!("{way}{number}")).await, "{way} {address}");
        }
        // The mapped form is the same machine, and a network that is named as it is written is meant.
        for (number, address) in ["192.0.2.33", "::ffff:192.0.2.33", "2002:cb00:7109::5"].iter().enumerate() {
            assert!(is_spared(address, &format!("own {way}{number}")).await, "{way} {address}");
        }
    }
}
