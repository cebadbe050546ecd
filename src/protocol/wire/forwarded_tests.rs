use proptest::prelude::*;

use super::*;
use Notation::{Forwarded, XForwardedFor};

fn parse(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Proxies are 10.0.0.0/8 and fd00::/8.
fn is_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10,
        IpAddr::V6(v6) => v6.octets()[0] == 0xfd,
    }
}

fn from(peer: &str, notation: Notation, lines: &[&[u8]]) -> IpAddr {
    sender(parse(peer), notation, lines.iter().copied(), is_proxy)
}

#[track_caller]
fn assert_sender(notation: Notation, lines: &[&str], expected: &str) {
    let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    assert_eq!(from("10.0.0.1", notation, &bytes), parse(expected), "{lines:?}");
}

const HOP: &str = "10.0.0.1";

#[test]
fn without_a_trusted_peer_no_header_is_read_t42() {
    for lines in [&[b"192.0.2.1".as_slice()] as &[&[u8]], &[], &[b"for=192.0.2.1"]] {
        for notation in [XForwardedFor, Forwarded] {
            assert_eq!(from("198.51.100.7", notation, lines), parse("198.51.100.7"));
        }
    }
}

#[test]
fn the_first_stranger_from_the_right_is_the_sender_t42() {
    for (lines, expected) in [
        (&[] as &[&str], HOP),
        (&["192.0.2.1"], "192.0.2.1"),
        (&["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (&["6.6.6.6,192.0.2.1 ,\t10.0.0.2"], "192.0.2.1"),
        (&["6.6.6.6", "192.0.2.1", "10.0.0.2, fd00::1"], "192.0.2.1"),
        (&["192.0.2.1, 10.0.0.2", "203.0.113.9"], "203.0.113.9"),
        // Within the proxies' own networks: the leftmost.
        (&["10.0.0.4, 10.0.0.3", "10.0.0.2"], "10.0.0.4"),
        // What a stranger wrote is not looked at.
        (&["\", \\, unknown, 192.0.2.1"], "192.0.2.1"),
    ] {
        assert_sender(XForwardedFor, lines, expected);
    }
    for (lines, expected) in [
        (&[] as &[&str], HOP),
        (&["for=192.0.2.1"], "192.0.2.1"),
        (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
        (&["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
        (&["by=x;host=\"a,b;for=6.6.6.6\";FOR=\"192.0.2.1:8080\" ; proto=https, for=10.0.0.2"], "192.0.2.1"),
        (&["host=\"a\\\", for=6.6.6.6, \\\\\";for=192.0.2.1"], "192.0.2.1"),
        (&["for=6.6.6.6", ";for=192.0.2.1;;", "for=\"[fd00::1]\""], "192.0.2.1"),
        // A quote that a stranger left open takes nothing of ours in.
        (&["for=\"6.6.6.6, for=192.0.2.1"], "192.0.2.1"),
        (&["host=\"\\", "for=192.0.2.1"], "192.0.2.1"),
    ] {
        assert_sender(Forwarded, lines, expected);
    }
}

#[test]
fn ports_and_brackets_are_let_pass_t44() {
    for (entry, expected) in [
        ("192.0.2.1:0", "192.0.2.1"),
        ("192.0.2.1:65535", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:1", "192.0.2.1"),
    ] {
        assert_sender(XForwardedFor, &[entry], expected);
    }
}

/// Nothing of these is an address, in either notation.
const MALFORMED: [&str; 26] = [
    "",
    " ",
    "unknown",
    "_hidden",
    "_192.0.2.1",
    "localhost",
    "192.0.2",
    "192.0.2.1.",
    "192.0.2.256",
    "192.0.02.1",
    "192.0.2.01",
    "0300.0.2.1",
    "0xc0.0.2.1",
    "3221225985",
    "192.0.2.1:",
    "192.0.2.1:65536",
    "192.0.2.1:+80",
    "192.0.2.1:000080",
    "192.0.2.1/32",
    "192.0.2.1 80",
    "[192.0.2.1]",
    "[2001:db8::1",
    "[2001:db8::1]443",
    "[fe80::1%eth0]",
    "fe80::1%1",
    "192.0.2.1\u{a0}",
];

#[test]
fn what_is_no_address_leaves_the_request_with_the_nearest_good_hop_t44() {
    for entry in MALFORMED {
        assert_sender(XForwardedFor, &[entry], HOP);
        assert_sender(XForwardedFor, &[&format!("6.6.6.6, {entry}")], HOP);
        assert_sender(XForwardedFor, &["6.6.6.6", &format!("{entry}, 10.0.0.2")], "10.0.0.2");
        assert_sender(Forwarded, &[&format!("for=6.6.6.6, for=\"{entry}\"")], HOP);
        assert_sender(Forwarded, &[&format!("for={entry}, for=10.0.0.2")], "10.0.0.2");
    }
    for element in [
        "proto=https",
        "for=",
        "for",
        "for =192.0.2.1",
        "for= 192.0.2.1",
        "for=192.0.2.1:80",
        "for=\"2001:db8::1\"",
        "for=[2001:db8::1]",
        "for=192.0.2.1;for=192.0.2.1",
        "for=192.0.2.1;FOR=unknown",
        "for=\"192.0.2.1",
        "for=192.0.2.1\"",
        "for=\"192.0.2.1\"x",
        "for=\"1\\92.0.2.1\"",
        "for=192.0.2.1;host=\u{e9}",
        "for=192.0.2.1;host=\"\u{e9}\"",
        "for=192.0.2.1;=x",
        "for=192.0.2.1;host",
        "for=192.0.2.1 proto=https",
        "192.0.2.1",
    ] {
        assert_sender(Forwarded, &["for=6.6.6.6", element], HOP);
    }
    // Neither notation reads the other's.
    assert_sender(XForwardedFor, &["for=192.0.2.1"], HOP);
}

#[test]
fn the_walk_ends_at_64_hops_and_at_8_kib() {
    let chain = |hops: u8| (1..=hops).rev().map(|n| format!("10.0.1.{n}")).collect::<Vec<_>>().join(",");
    assert_sender(XForwardedFor, &["192.0.2.1", &chain(63)], "192.0.2.1");
    assert_sender(XForwardedFor, &["192.0.2.1", &chain(64)], "10.0.1.64");
    let padded = |left: &str, spaces: usize| format!("{left},{}10.0.0.2", " ".repeat(spaces));
    assert_sender(XForwardedFor, &[&padded("192.0.2.1", 8150)], "192.0.2.1");
    assert_sender(XForwardedFor, &[&padded("192.0.2.1", 8180)], "10.0.0.2");
    assert_sender(XForwardedFor, &[&padded("192.0.2.1", 8190)], HOP);
    // What a stranger wrote spends nothing of it.
    let long = "x".repeat(20_000);
    assert_sender(XForwardedFor, &[&long, &format!("{long}, 192.0.2.1")], "192.0.2.1");
    assert_sender(Forwarded, &[&format!("{}, for=192.0.2.1", "\"\\".repeat(20_000))], "192.0.2.1");
}

#[test]
fn an_ipv6_address_that_was_made_from_a_proxys_is_no_proxy() {
    for stranger in ["2002:a00:2::1", "64:ff9b::10.0.0.2"] {
        assert_sender(XForwardedFor, &[&format!("6.6.6.6, {stranger}")], stranger);
    }
    assert_sender(XForwardedFor, &["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1");
}

fn end_user_of(lines: &[&str]) -> Option<IpAddr> {
    let name = HeaderName::from_static("auth0-forwarded-for");
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&name, http::HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    end_user(&headers, &name).map(Sender::counted)
}

#[test]
fn an_end_users_address_is_one_line_with_one_bare_address_t43() {
    for (line, expected) in
        [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("64:ff9b::192.0.2.1", "192.0.2.1")]
    {
        assert_eq!(end_user_of(&[line]), Some(parse(expected)));
        assert_eq!(end_user_of(&[line, line]), None);
        for wrong in [format!("{line}, {line}"), format!("{line},"), format!("[{line}]"), format!("{line} ")] {
            assert_eq!(end_user_of(&[&wrong]), None, "{wrong}");
        }
    }
    assert_eq!(end_user_of(&[]), None);
    for wrong in MALFORMED.into_iter().chain(["192.0.2.1:80", "[2001:db8::1]:80", "for=192.0.2.1"]) {
        assert_eq!(end_user_of(&[wrong]), None, "{wrong}");
    }
}

/// Pieces of headers, likely and hostile.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
        any::<u16>().prop_map(|host| format!("10.0.{}.{}", host >> 8, host & 0xff)),
        "(, ?|;|for=|For=\"|\"|\\\\|\\[|\\]|:80|by=x|unknown|%1|[ -~])",
    ];
    let text = proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![8 => text, 1 => proptest::collection::vec(any::<u8>(), 0..60)]
}

fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(pieces(), 0..4)
}

/// Whether an address stands in a header as it is, between characters that no address has.
fn is_written(address: IpAddr, lines: &[Vec<u8>]) -> bool {
    let in_text = |text: &str| text.parse::<IpAddr>().is_ok_and(|found| found.to_canonical() == address);
    let is_of_address = |c: char| c.is_ascii_hexdigit() || c == ':' || c == '.';
    lines.iter().any(|line| {
        let line = String::from_utf8_lossy(line);
        let mut runs = line.split(|c| !is_of_address(c));
        runs.any(|run| in_text(run) || run.split_once(':').is_some_and(|(v4, _)| in_text(v4)))
    })
}

fn notation() -> impl Strategy<Value = Notation> {
    prop_oneof![Just(XForwardedFor), Just(Forwarded)]
}

proptest! {
    #[test]
    fn the_sender_is_the_peer_or_stands_in_the_header(lines in lines(), notation in notation()) {
        let bytes: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let sender = from(HOP, notation, &bytes);
        prop_assert!(sender == parse(HOP) || is_written(sender, &lines), "{sender}");
        prop_assert_eq!(from("192.0.2.1", notation, &bytes), parse("192.0.2.1"));
    }

    #[test]
    fn nothing_that_a_stranger_wrote_changes_the_sender(
        forged in lines(),
        joined in pieces(),
        stranger: u32,
        port: Option<u16>,
        proxies in proptest::collection::vec(any::<u16>(), 0..4),
        is_split: bool,
        notation in notation(),
    ) {
        let stranger = IpAddr::V4(Ipv4Addr::from_bits(stranger | 0x8000_0000));
        let node = |address: IpAddr| match notation {
            XForwardedFor => address.to_string(),
            Forwarded => format!("for={address};by=\"_a\\\",;\""),
        };
        let last = match (port, notation) {
            (Some(port), XForwardedFor) => format!("{stranger}:{port}"),
            (Some(port), Forwarded) => format!("proto=https; For=\"{stranger}:{port}\""),
            (None, _) => node(stranger),
        };
        let mut ours = vec![last];
        ours.extend(proxies.iter().map(|host| node(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | u32::from(*host))))));
        let mut lines = forged;
        if is_split {
            lines.push(joined);
            lines.extend(ours.into_iter().map(String::into_bytes));
        } else {
            lines.push([&joined, b", ".as_slice(), ours.join(", ").as_bytes()].concat());
        }
        let bytes: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(from(HOP, notation, &bytes), stranger);
    }

    #[test]
    fn every_address_is_read_as_it_was_written(address: IpAddr, port: u16) {
        prop_assume!(!is_proxy(address.to_canonical()));
        let both = match address {
            IpAddr::V4(v4) => [format!("{v4}"), format!("{v4}:{port}")],
            IpAddr::V6(v6) => [format!("[{v6}]"), format!("[{v6}]:{port}")],
        };
        for node in both.iter().chain([&address.to_string()]) {
            prop_assert_eq!(from(HOP, XForwardedFor, &[node.as_bytes()]), address.to_canonical());
        }
        for node in &both {
            let element = format!("for=\"{node}\"");
            prop_assert_eq!(from(HOP, Forwarded, &[element.as_bytes()]), address.to_canonical());
        }
        prop_assert_eq!(end_user_of(&[&address.to_string()]), Some(Sender::of(address).counted()));
    }
}
