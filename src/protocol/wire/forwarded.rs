//! Where a request comes from, by what trusted proxies and servers write into its headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header};

use crate::protocol::address::Sender;

/// The most hops that are walked, and the most bytes of the header. Real chains have a handful.
const MAX_HOPS: usize = 64;
const MAX_BYTES: usize = 8 * 1024;

/// How proxies write down where they got a request from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    /// `X-Forwarded-For`: addresses.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): elements, whose `for` is an address.
    Forwarded,
}

impl Notation {
    pub(crate) const fn header(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }
}

/// The sender of a request that came from `peer`, whose header has these lines.
///
/// Each proxy adds, on the right, where it got the request from. So from the right: as long as the hop that wrote an entry
/// is a proxy of ours, the entry is true, and names the next hop. An entry that is missing or is no address leaves the
/// request with the hop that sent it; whatever stands to the left of the first stranger was written by strangers.
pub(crate) fn sender<'a>(
    peer: IpAddr,
    notation: Notation,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut entries = Entries { notation, lines, line: None, hops: MAX_HOPS, bytes: MAX_BYTES };
    let mut hop = peer;
    while is_proxy(hop) {
        let Some(next) = entries.next() else { break };
        hop = next;
    }
    hop
}

/// The address of the end user that a server names in this header: one line with one bare address.
pub(crate) fn end_user(headers: &HeaderMap, name: &HeaderName) -> Option<Sender> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    line.to_str().ok()?.parse().ok().map(Sender::of)
}

/// The entries of a header from the right, over all its lines.
struct Entries<'a, L> {
    notation: Notation,
    lines: L,
    /// What is left of the current line.
    line: Option<&'a [u8]>,
    hops: usize,
    bytes: usize,
}

impl<'a, L: DoubleEndedIterator<Item = &'a [u8]>> Entries<'a, L> {
    /// `None` at the end, at an entry that is no address, and at the bounds: nothing follows any of them.
    fn next(&mut self) -> Option<IpAddr> {
        self.hops = self.hops.checked_sub(1)?;
        let line = self.line.take().or_else(|| self.lines.next_back())?;
        let entry = match self.notation.last_comma(line, self.bytes) {
            None => line,
            Some(comma) => {
                let (left, right) = line.split_at_checked(comma)?;
                self.line = Some(left);
                right.get(1..)?
            }
        };
        // With its comma.
        self.bytes = self.bytes.checked_sub(entry.len().saturating_add(1))?;
        let entry = str::from_utf8(entry.trim_ascii()).ok().filter(|entry| entry.is_ascii())?;
        let address = match self.notation {
            Notation::XForwardedFor => entry.parse().ok().or_else(|| node(entry)),
            Notation::Forwarded => forwarded_for(entry),
        };
        // IPv4 in IPv6's mapped form is the same machine, and networks are written without it.
        address.map(|address| address.to_canonical())
    }
}

impl Notation {
    /// Where the last entry of a line begins, looked for in so many of its last bytes.
    fn last_comma(self, line: &[u8], within: usize) -> Option<usize> {
        let mut is_quoted = false;
        for (at, byte) in line.iter().enumerate().rev().take(within) {
            match byte {
                // From the right, a quoted string ends where it begins: at a quote that is not escaped.
                b'"' if self == Self::Forwarded && !(is_quoted && is_escaped(line, at)) => is_quoted = !is_quoted,
                b',' if !is_quoted => return Some(at),
                _ => {}
            }
        }
        None
    }
}

/// Whether an odd number of backslashes stands before this place.
fn is_escaped(line: &[u8], at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() & 1 == 1
}

/// The address in the one `for` of a `forwarded-element` (RFC 7239 section 4). Spaces around `;`, which some proxies
/// write, are let pass.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut rest = element;
    let mut found = None;
    loop {
        let (name, after) = token(rest)?;
        if !name.is_empty() {
            let (value, after) = value(after.strip_prefix('=')?)?;
            if name.eq_ignore_ascii_case("for") && found.replace(node(value)?).is_some() {
                return None;
            }
            rest = after;
        }
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return found;
        }
        rest = rest.strip_prefix(';')?.trim_ascii_start();
    }
}

/// A `token` (RFC 9110 section 5.6.2), which may be empty here, and what follows.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_tchar = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at_checked(text.find(|c| !is_tchar(c)).unwrap_or(text.len()))
}

/// A `token` or the inside of a `quoted-string`, and what follows. Escapes stay: no address has one.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).filter(|(value, _)| !value.is_empty());
    };
    let mut is_escaped = false;
    let end = quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    let (value, rest) = quoted.split_at_checked(end)?;
    rest.strip_prefix('"').map(|rest| (value, rest))
}

/// The address of a `node` (RFC 7239 section 6): IPv4, or IPv6 in brackets, with or without a port. `unknown` and
/// obfuscated names have none.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (address, port) = text.split_at_checked(text.find(':').unwrap_or(text.len()))?;
            (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), port)
        }
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
