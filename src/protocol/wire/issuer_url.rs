//! The identifier of an authorization server (RFC 8414 section 2).

use std::net::IpAddr;

/// Whether this can be an issuer: RFC 8414 section 2, and http for development on one machine.
pub(crate) fn is_issuer(text: &str) -> bool {
    // Whatever the parser would drop or the comparison of verifiers would trip over.
    if !text.bytes().all(|b| b.is_ascii_graphic() && !b"?#@\\\"<>".contains(&b)) {
        return false;
    }
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    is_secure(text, &uri)
}

/// Whether `text`, which was read as `uri`, is https with a host, or http for development on one machine.
pub(crate) fn is_secure(text: &str, uri: &http::Uri) -> bool {
    let Some(authority) = uri.authority() else { return false };
    let host = authority.host();
    if authority.as_str() != host && authority.port_u16().is_none() {
        return false;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    !host.is_empty() && (text.starts_with("https://") || (text.starts_with("http://") && is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_url_without_query_and_fragment() {
        for good in [
            "https://as.example",
            "https://as.example/",
            "https://as.example:8443/tenant",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://127.9.9.9:1/x",
            "http://[::1]:8080/",
        ] {
            assert!(is_issuer(good), "{good}");
        }
        for bad in [
            "",
            "as.example",
            "https:",
            "https://",
            "https:///x",
            "https://:443",
            "https://as.example?x=1",
            "https://as.example/#x",
            "https://u:p@as.example",
            "https://as.example/ ",
            "https://as.example:99999",
            "https://as.example:",
            "https://[::1",
            "HTTPS://as.example",
            "https://ä.example",
            "http://as.example",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "http://10.0.0.1",
            "http://[::2]",
            "ftp://localhost",
            "urn:as",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }
}
