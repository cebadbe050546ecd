//! Web origins (RFC 6454) as browsers name them.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::request::Parts;

/// The origin of the server's own pages, in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnOrigin(String);

impl OwnOrigin {
    /// The origin of an http or https URL; `None` if it is none, or names a user.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        let authority = uri.authority()?;
        let has_port = authority.as_str() != authority.host();
        let names_user = authority.as_str().contains('@');
        if authority.host().is_empty() || names_user || (has_port && authority.port_u16().is_none()) {
            return None;
        }
        let origin = format!("{}://{authority}", uri.scheme_str()?).to_ascii_lowercase();
        let (scheme, bare) = split(&origin)?;
        Some(Self(format!("{scheme}://{bare}")))
    }

    fn is(&self, origin: &str) -> bool {
        split(origin).is_some_and(|(scheme, authority)| {
            let own = self.0.split_once("://");
            own.is_some_and(|own| scheme == own.0 && authority.eq_ignore_ascii_case(own.1))
        })
    }
}

/// Whether a page of this origin is one of the server's own: of the origin that is `known`, or without one of the authority
/// that the request names, whatever the scheme.
pub(crate) fn is_own(origin: &str, parts: &Parts, known: Option<&OwnOrigin>) -> bool {
    match known {
        Some(known) => known.is(origin),
        None => is_own_authority(origin, parts).unwrap_or(false),
    }
}

/// Whether a browser may send it as it is written: a scheme, a host and a port that is not the default one, in their one
/// spelling. Browsers know no wildcards.
pub(crate) fn is_sent(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<http::Uri>() else { return false };
    let Some((scheme, host)) = uri.scheme_str().zip(uri.host()) else { return false };
    let default_port = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    uri.port_u16() != Some(default_port) && is_host(host) && format!("{scheme}://{host}{port}") == origin
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|parsed| {
            // Browsers write what is mapped in hexadecimal.
            parsed.to_string() == address || parsed.to_ipv4_mapped().is_some()
        }),
        None => !host.is_empty() && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')),
    }
}

fn is_own_authority(origin: &str, parts: &Parts) -> Option<bool> {
    let (scheme, theirs) = split(origin)?;
    let ours = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut hosts = parts.headers.get_all(HOST).iter();
            let host = hosts.next().filter(|_| hosts.next().is_none())?;
            host.to_str().ok()?
        }
    };
    Some(bare(scheme, ours).eq_ignore_ascii_case(theirs))
}

/// Scheme and authority, the latter without its default port.
fn split(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    matches!(scheme, "https" | "http").then(|| (scheme, bare(scheme, authority)))
}

fn bare<'a>(scheme: &str, authority: &'a str) -> &'a str {
    authority.strip_suffix(if scheme == "https" { ":443" } else { ":80" }).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(hosts: &[&str]) -> Parts {
        let request =
            hosts.iter().fold(http::Request::post("/oauth/token"), |request, host| request.header(HOST, *host));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_known_origin_is_compared_whole_d_39() {
        for (url, origin, own) in [
            ("https://as.example", "https://as.example", true),
            ("https://AS.example:443/tenant", "https://as.example", true),
            ("https://as.example", "https://AS.example:443", true),
            ("https://as.example", "http://as.example", false),
            ("https://as.example", "http://as.example:443", false),
            ("http://as.example", "https://as.example", false),
            ("https://as.example:8443", "https://as.example", false),
            ("https://as.example:8443", "https://as.example:8443", true),
            ("http://as.example:80", "http://as.example", true),
            ("https://[2001:db8::443]", "https://[2001:db8::443]", true),
            ("https://[2001:db8::1]:443", "https://[2001:DB8::1]", true),
            ("https://as.example", "https://as.example.evil.example", false),
            ("https://as.example", "null", false),
            ("https://as.example", "", false),
        ] {
            let known = OwnOrigin::of_url(url).unwrap();
            // Whatever the request calls the server.
            for hosts in [&["as.example"][..], &["evil.example"], &[]] {
                assert_eq!(is_own(origin, &parts(hosts), Some(&known)), own, "{url} {origin} {hosts:?}");
            }
        }
    }

    #[test]
    fn what_is_no_origin_of_a_page_is_no_public_url() {
        for bad in [
            "",
            "as.example",
            "/path",
            "ftp://as.example",
            "https://",
            "https://u@as.example",
            "https://u@as.example:443",
            "https://u:p@as.example:8443/",
            "https://as.example:",
        ] {
            assert_eq!(OwnOrigin::of_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn without_one_the_authority_is_compared_with_the_default_port_of_the_pages_scheme_d_39() {
        for (hosts, origin, own) in [
            (&["as.example"][..], "https://as.example", true),
            (&["as.example"], "http://as.example", true),
            (&["as.example:443"], "https://as.example", true),
            (&["as.example:80"], "http://as.example", true),
            (&["AS.example:8443"], "https://as.example:8443", true),
            (&["as.example:443"], "http://as.example", false),
            (&["as.example:80"], "https://as.example", false),
            (&["as.example"], "https://as.example:80", false),
            (&["[fe80::1]:80"], "http://[FE80::1]", true),
            (&["as.example"], "chrome-extension://as.example", false),
            (&["as.example", "evil.example"], "https://as.example", false),
            (&[], "https://as.example", false),
        ] {
            assert_eq!(is_own(origin, &parts(hosts), None), own, "{hosts:?} {origin}");
        }
    }
}
