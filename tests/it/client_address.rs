//! Whose budget a request spends: the connection's peer, the client behind trusted proxies, or the end user that a trusted
//! client names. Whatever strangers write into headers buys no budget and spends nobody else's.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use tower_password_grant::PeerAddress;
use tower_password_grant::audit::Reason;
use tower_password_grant::mount::{TransportSecurity, TrustedProxies};

use crate::support::bed::{BUDGET, Bed, PROXY, STRANGER, nets};
use crate::support::capture;
use crate::support::server::{Connection, H2, Server, raw_request};
use crate::support::{self, CONF, FixtureBuilder, PW, Probe, from_peer, send, spawn, token_request};

/// What senders and proxies name addresses in.
const HEADERS: [&str; 12] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "fastly-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "forwarded-for",
    "x-original-forwarded-for",
];

fn x_forwarded_for(builder: FixtureBuilder) -> FixtureBuilder {
    let proxies = TrustedProxies::x_forwarded_for(nets(&["10.0.0.0/8", "fd00::/8"]));
    builder.peer_address(PeerAddress::socket_addr().behind(proxies))
}

fn forwarded(builder: FixtureBuilder) -> FixtureBuilder {
    let proxies = TrustedProxies::forwarded(nets(&["10.0.0.0/8", "fd00::/8"]));
    builder.peer_address(PeerAddress::socket_addr().behind(proxies))
}

#[tokio::test]
async fn forged_headers_change_nothing_unless_the_peer_is_a_named_proxy_t42() {
    for change in [|builder| builder, x_forwarded_for, forwarded] as [fn(FixtureBuilder) -> FixtureBuilder; 3] {
        let bed = Bed::with(change);
        for (attempt, name) in HEADERS.iter().cycle().take(BUDGET + HEADERS.len()).enumerate() {
            let address = format!("192.0.2.{attempt}");
            let value = if *name == "forwarded" { format!("for={address}") } else { address };
            let answer = bed.guess(STRANGER, &[(name, &value)], "alice").await;
            bed.assert_counted_on(STRANGER, STRANGER);
            let (status, error) = if attempt < BUDGET { (400, "invalid_grant") } else { (429, "too_many_attempts") };
            answer.assert_error(status, error);
        }
        bed.login("192.0.2.1", &[]).await.assert_ok();
    }
}

#[tokio::test]
async fn behind_a_proxy_the_last_stranger_counts_and_what_it_forged_does_not_t42() {
    let bed = Bed::with(x_forwarded_for);
    for attempt in 0..BUDGET {
        let chain = format!("192.0.2.{attempt}, 203.0.113.5");
        bed.guess(PROXY, &[("x-forwarded-for", &chain)], "alice").await.assert_error(400, "invalid_grant");
        bed.assert_counted_on("203.0.113.5", PROXY);
    }
    for forged in ["", "192.0.2.77, ", "10.0.0.9, ", "unknown,,\", "] {
        let chain = format!("{forged}203.0.113.5");
        bed.login(PROXY, &[("x-forwarded-for", &chain)]).await.assert_error(429, "too_many_attempts");
    }
    // Others behind the same proxy have budgets of their own, and so has the proxy.
    for other in ["203.0.113.6", "192.0.2.0", "2001:db8::1"] {
        bed.login(PROXY, &[("x-forwarded-for", other)]).await.assert_ok();
        bed.assert_counted_on(other, PROXY);
    }
    bed.login(PROXY, &[]).await.assert_ok();
    bed.assert_counted_on(PROXY, PROXY);
}

#[tokio::test]
async fn one_header_is_read_and_never_another_t42() {
    for (change, named, value) in [
        (x_forwarded_for as fn(FixtureBuilder) -> FixtureBuilder, "x-forwarded-for", "203.0.113.5"),
        (forwarded, "forwarded", "for=203.0.113.5"),
    ] {
        let bed = Bed::with(change);
        for other in HEADERS.iter().filter(|other| **other != named) {
            for forged in ["192.0.2.1", "for=192.0.2.1"] {
                bed.login(PROXY, &[(other, forged), (named, value)]).await.assert_ok();
                bed.assert_counted_on("203.0.113.5", PROXY);
                bed.login(PROXY, &[(other, forged)]).await.assert_ok();
                bed.assert_counted_on(PROXY, PROXY);
            }
        }
    }
}

#[tokio::test]
async fn several_proxies_and_several_lines_are_one_chain_t42() {
    let bed = Bed::with(x_forwarded_for);
    let cases: [(&str, &[&str], &str); 8] = [
        (PROXY, &["203.0.113.5, 10.0.0.2"], "203.0.113.5"),
        (PROXY, &["192.0.2.1, 203.0.113.5", "10.0.0.3, 10.0.0.2"], "203.0.113.5"),
        (PROXY, &["203.0.113.5", "fd00::7", "10.0.0.2"], "203.0.113.5"),
        (PROXY, &["192.0.2.1", "203.0.113.5"], "203.0.113.5"),
        // A request of one proxy's own.
        (PROXY, &["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
        // Behind a proxy of somebody else's.
        (PROXY, &["192.0.2.1, 172.16.0.1, 203.0.113.5"], "203.0.113.5"),
        ("fd00::1", &["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", &["::ffff:203.0.113.5, ::ffff:10.0.0.2"], "203.0.113.5"),
    ];
    for (peer, lines, expected) in cases {
        let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        bed.login(peer, &headers).await.assert_ok();
        assert_eq!(bed.last().address, expected.parse().ok(), "{lines:?}");
    }
    let bed = Bed::with(forwarded);
    let lines = [("forwarded", "for=192.0.2.1"), ("forwarded", "For=\"[2001:db8::5]:4711\";proto=https, for=10.0.0.2")];
    bed.login(PROXY, &lines).await.assert_ok();
    bed.assert_counted_on("2001:db8::5", PROXY);
}

#[tokio::test]
async fn malformed_entries_share_the_budget_of_the_nearest_hop_t44() {
    let malformed = [
        "unknown",
        "_hidden",
        "203.0.113.05",
        "0313.0.113.5",
        "203.0.113",
        "203.0.113.5:65536",
        "203.0.113.5:",
        "[203.0.113.5]",
        "[2001:db8::5",
        "fe80::5%eth0",
        "[fe80::5%1]:80",
        "203.0.113.5 x",
        "for=203.0.113.5",
        "203.0.113.5,",
        ",",
        "",
    ];
    let bed = Bed::with(x_forwarded_for);
    for (attempt, entry) in malformed.iter().enumerate() {
        let answer = bed.guess(PROXY, &[("x-forwarded-for", entry)], "alice").await;
        assert_eq!(answer.status, if attempt < BUDGET { 400 } else { 429 }, "{entry}");
        bed.assert_counted_on(PROXY, PROXY);
    }
    // The same behind two proxies: the inner one's budget.
    for (attempt, entry) in malformed.iter().enumerate() {
        let chain = format!("192.0.2.1, {entry}, 10.0.0.2");
        let answer = bed.guess(PROXY, &[("x-forwarded-for", &chain)], "alice").await;
        assert_eq!(answer.status, if attempt < BUDGET { 400 } else { 429 }, "{entry}");
        bed.assert_counted_on("10.0.0.2", PROXY);
    }
    for good in ["203.0.113.5", "203.0.113.5:4711", "[2001:db8::5]", "[2001:db8::5]:4711"] {
        bed.login(PROXY, &[("x-forwarded-for", good)]).await.assert_ok();
    }
    let bed = Bed::with(forwarded);
    for (attempt, entry) in malformed.iter().enumerate() {
        let chain = format!("for=192.0.2.1, for=\"{entry}\"");
        let answer = bed.guess(PROXY, &[("forwarded", &chain)], "alice").await;
        assert_eq!(answer.status, if attempt < BUDGET { 400 } else { 429 }, "{entry}");
        bed.assert_counted_on(PROXY, PROXY);
    }
}

#[tokio::test]
async fn every_way_to_write_one_sender_shares_one_budget_t45() {
    let ipv4 = ["203.0.113.5", "203.0.113.5:1", "::ffff:203.0.113.5", "64:ff9b::cb00:7105", "2002:cb00:7105:9::1"];
    let bed = Bed::with(x_forwarded_for);
    for attempt in 0..BUDGET {
        // In the header as on the connection.
        let form = ipv4[attempt % ipv4.len()];
        let answer = match (attempt % 2, form.parse::<IpAddr>()) {
            (0, Ok(_)) => bed.guess(form, &[], "alice").await,
            _ => bed.guess(PROXY, &[("x-forwarded-for", form)], "alice").await,
        };
        answer.assert_error(400, "invalid_grant");
        assert_eq!(bed.last().address, "203.0.113.5".parse().ok(), "{form}");
    }
    for form in ipv4 {
        bed.login(PROXY, &[("x-forwarded-for", form)]).await.assert_error(429, "too_many_attempts");
    }
    bed.login(PROXY, &[("x-forwarded-for", "203.0.113.6")]).await.assert_ok();

    for attempt in 0..BUDGET {
        let rotated = format!("2001:db8:0:1:{attempt:x}::{attempt:x}");
        bed.guess(PROXY, &[("x-forwarded-for", &rotated)], "alice").await.assert_error(400, "invalid_grant");
    }
    let (same, other) = ("2001:db8:0:1:ffff::", "2001:db8:0:2::");
    bed.login(PROXY, &[("x-forwarded-for", same)]).await.assert_error(429, "too_many_attempts");
    bed.login(same, &[]).await.assert_error(429, "too_many_attempts");
    bed.login(PROXY, &[("x-forwarded-for", other)]).await.assert_ok();
}

#[tokio::test]
async fn an_address_that_was_made_from_a_proxys_is_not_believed() {
    let bed = Bed::with(x_forwarded_for);
    for stranger in ["2002:a00:1::5", "64:ff9b::a00:1"] {
        bed.login(stranger, &[("x-forwarded-for", "192.0.2.1")]).await.assert_ok();
        // It counts as the address that it was made from.
        bed.assert_counted_on(PROXY, stranger);
    }
}

#[tokio::test]
async fn networks_in_the_mapped_form_are_those_of_ipv4() {
    let proxies = TrustedProxies::x_forwarded_for(nets(&["::ffff:10.0.0.0/104"]));
    let bed = Bed::with(|builder| builder.peer_address(PeerAddress::socket_addr().behind(proxies)));
    for peer in ["10.9.9.9", "::ffff:10.9.9.9"] {
        bed.login(peer, &[("x-forwarded-for", "203.0.113.5")]).await.assert_ok();
        bed.assert_counted_on("203.0.113.5", "10.9.9.9");
    }
}

#[test]
fn proxies_that_cannot_be_told_from_others_are_refused_at_start() {
    let build = |source| support::builder(&Probe::default()).peer_address(source).build();
    let none = TrustedProxies::forwarded([]);
    for (source, message) in [
        (PeerAddress::socket_addr().behind(none.clone()), "needs a network of your proxies"),
        (PeerAddress::unknown().behind(none), "needs a peer address to know its proxies by"),
    ] {
        let error = build(source).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    for wide in ["0.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:10.0.0.0/8"] {
        let proxies = TrustedProxies::x_forwarded_for(nets(&["10.0.0.1/32", wide]));
        let error = build(PeerAddress::socket_addr().behind(proxies)).unwrap_err().to_string();
        assert!(error.contains("holds more than proxies"), "{wide}: {error}");
    }
    let source = PeerAddress::socket_addr().behind(TrustedProxies::x_forwarded_for(nets(&["10.0.0.1/32"])));
    assert_eq!(format!("{source:?}"), "PeerAddress::extension behind x-forwarded-for of [10.0.0.1/32]");
    build(source).unwrap();
}

#[test]
fn proxies_that_vouch_for_tls_are_held_to_the_same_t47() {
    let build = |networks: &[&str]| {
        let policy = TransportSecurity::forwarded_by(nets(networks));
        support::builder(&Probe::default()).transport_security(policy).build()
    };
    for wide in ["0.0.0.0/0", "::/0", "::ffff:0:0/96"] {
        let error = build(&["10.0.0.1/32", wide]).unwrap_err().to_string();
        assert!(error.contains("holds more than proxies"), "{wide}: {error}");
    }
    build(&["10.0.0.1/32", "::ffff:10.0.0.0/104"]).unwrap();
}

/// TLS is vouched for by the proxy at the other end, whatever address counts.
#[tokio::test]
async fn transport_security_looks_at_the_connection() {
    let bed = Bed::with(|builder| {
        // A network is the same in IPv6's mapped form.
        let policy = TransportSecurity::forwarded_by(nets(&["::ffff:10.0.0.1/128"]));
        x_forwarded_for(builder).transport_security(policy)
    });
    let https = ("x-forwarded-proto", "https");
    bed.login(PROXY, &[("x-forwarded-for", "203.0.113.5"), https]).await.assert_ok();
    for peer in ["10.0.0.2", STRANGER] {
        bed.login(peer, &[("x-forwarded-for", PROXY), https]).await.assert_error(400, "invalid_request");
        assert_eq!(bed.last().reason, Some(Reason::InsecureTransport));
    }
}

#[tokio::test]
async fn no_header_about_the_host_changes_an_answer_t47() {
    let bed = Bed::with(|builder| x_forwarded_for(builder).error_uri("https://as.example/errors"));
    let plain = bed.guess(PROXY, &[("x-forwarded-for", "203.0.113.5")], "alice").await;
    plain.assert_error(400, "invalid_grant");
    for name in ["x-forwarded-host", "x-forwarded-server", "x-original-url", "x-rewrite-url", "x-forwarded-prefix"] {
        let headers = [("x-forwarded-for", "203.0.113.5"), (name, "evil.example")];
        let answer = bed.guess(PROXY, &headers, "alice").await;
        assert_eq!((&answer.headers, &answer.body), (&plain.headers, &plain.body), "{name}");
    }
    let headers = [("forwarded", "for=192.0.2.1;host=evil.example;proto=http"), ("x-forwarded-for", "203.0.113.5")];
    assert_eq!(bed.guess(PROXY, &headers, "alice").await.body, plain.body);
    let mut request =
        from_peer(token_request(support::AUTH, "grant_type=password&username=alice&password=x"), STRANGER);
    request.headers_mut().insert("host", "evil.example".parse().unwrap());
    let answer = send(&bed.layer, request).await;
    assert_eq!((&answer.headers, &answer.body), (&plain.headers, &plain.body));
}

#[tokio::test]
async fn over_sockets_the_chain_arrives_as_it_was_sent_t42() {
    let (audit, sink) = capture::sink();
    let proxies = || TrustedProxies::x_forwarded_for(nets(&["127.0.0.0/8"]));
    let builder = support::builder(&Probe::default()).audit(sink);
    let layer = builder.peer_address(PeerAddress::socket_addr().behind(proxies())).build().unwrap();
    let server = Server::start(&layer).await;
    let last = || audit.lock().unwrap().last().map(|event| (event.address.unwrap(), event.peer.unwrap())).unwrap();
    let local: IpAddr = "127.0.0.1".parse().unwrap();

    let mut h1 = Connection::open(server.address).await;
    for (lines, expected) in [
        ("", "127.0.0.1"),
        ("X-Forwarded-For: 192.0.2.1, 203.0.113.5\r\n", "203.0.113.5"),
        ("X-Forwarded-For: 192.0.2.1\r\nX-FORWARDED-FOR:\t[2001:db8::5]:1 ,127.0.0.9 \r\n", "2001:db8::5"),
        ("X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-For:\r\n", "127.0.0.1"),
        ("X-Forwarded-For: 192.0.2.1, \u{e9}\r\n", "127.0.0.1"),
    ] {
        let request = raw_request(&format!("Authorization: {CONF}\r\n{lines}"), PW);
        h1.exchange(request).await.assert_ok();
        assert_eq!(last(), (expected.parse().unwrap(), local), "{lines}");
    }

    let mut h2 = H2::open(server.address).await;
    let headers =
        [("authorization", CONF), ("x-forwarded-for", "192.0.2.1, 203.0.113.5"), ("x-forwarded-for", "127.0.0.9")];
    h2.exchange(token_request(&headers, PW)).await.assert_ok();
    assert_eq!(last(), ("203.0.113.5".parse().unwrap(), local));

    // axum, where the peer lies in another extension.
    let (audit, sink) = capture::sink();
    let source = PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())).behind(proxies());
    let layer = support::builder(&Probe::default()).audit(sink).peer_address(source).build().unwrap();
    let app = axum::Router::new().layer(layer).into_make_service_with_connect_info::<SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move { axum::serve(listener, app).await });
    let request = raw_request(&format!("Authorization: {CONF}\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.5\r\n"), PW);
    Connection::open(address).await.exchange(request).await.assert_ok();
    assert_eq!(audit.lock().unwrap()[0].address, "203.0.113.5".parse().ok());
}
