//! The headers that name a sender: any lines, and any lines of a stranger's in front of what proxies wrote.
//!
//! The input is the header's lines, one on each.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use tower_password_grant::fuzzing;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));

/// 10.0.0.0/8 and fd00::/8.
fn is_proxy(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 10,
        IpAddr::V6(v6) => v6.octets()[0] == 0xfd,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for is_forwarded in [false, true] {
        let sender = |lines: &[&[u8]]| fuzzing::sender(PEER, is_forwarded, lines, is_proxy);
        assert_eq!(fuzzing::sender(STRANGER, is_forwarded, &lines, is_proxy), STRANGER);

        let found = sender(&lines);
        assert!(found == PEER || is_written(found, &lines), "{found} is not written there");

        // Whatever a stranger sends, proxies add to it: in a line of their own, or to its last one.
        let ours: &[u8] = match is_forwarded {
            false => b"203.0.113.5:4711, fd00::7",
            true => b"for=203.0.113.5;by=\"_a\\\",;\", For=\"[fd00::7]:80\"; proto=https",
        };
        assert_eq!(sender(&[&lines[..], &[ours]].concat()), STRANGER);
        let (last, before) = lines.split_last().unwrap();
        let joined = [last, b", ".as_slice(), ours].concat();
        assert_eq!(sender(&[before, &[&joined]].concat()), STRANGER);
    }

    if bytes.len() < 8000 && bytes.iter().filter(|byte| b",\n".contains(byte)).count() < 60 {
        assert_eq!(fuzzing::sender(PEER, false, &lines, is_proxy), reference(&lines));
    }

    if let Some(user) = fuzzing::end_user(&lines) {
        let lines: Vec<&[u8]> = lines.into_iter().filter(|line| http::HeaderValue::from_bytes(line).is_ok()).collect();
        let [line] = lines[..] else { panic!("several lines named {user}") };
        let written: IpAddr = std::str::from_utf8(line).unwrap().parse().unwrap();
        assert!(user == written || (user.is_ipv4() && written.is_ipv6()));
    }
});

/// Whether an address stands between characters that no address has.
fn is_written(address: IpAddr, lines: &[&[u8]]) -> bool {
    let is = |text: &str| text.parse::<IpAddr>().is_ok_and(|found| found.to_canonical() == address);
    lines.iter().any(|line| {
        let line = String::from_utf8_lossy(line);
        let mut runs = line.split(|c: char| !c.is_ascii_hexdigit() && c != ':' && c != '.');
        runs.any(|run| is(run) || run.split_once(':').is_some_and(|(v4, _)| is(v4)))
    })
}

/// `X-Forwarded-For` in the plainest way, by the standard library's own parsers.
fn reference(lines: &[&[u8]]) -> IpAddr {
    let joined = lines.join(&b","[..]);
    let mut hop = PEER;
    for entry in joined.rsplit(|byte| *byte == b',') {
        if !is_proxy(hop) {
            break;
        }
        let Ok(entry) = std::str::from_utf8(entry.trim_ascii()) else { break };
        let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let with_port = || {
            let (_, port) = entry.rsplit_once(':')?;
            let address: SocketAddr = entry.parse().ok()?;
            (port.len() <= 5 && !entry.contains('%')).then_some(address.ip())
        };
        let found = match bare {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
            None => entry.parse::<IpAddr>().ok().or_else(with_port),
        };
        match found {
            Some(address) => hop = address.to_canonical(),
            None => break,
        }
    }
    hop
}
