//! The grammar of URIs (RFC 3986), as far as the protocol asks for it.

/// Whether `text` is written as a URI reference (RFC 3986), so that it can stand as `error_uri` (RFC 6749 A.9).
///
/// `http::Uri` is not asked: it knows request targets, and refuses URNs.
pub(crate) fn is_uri_reference(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b);
    let escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    !text.is_empty() && text.bytes().all(legal) && text.split('%').skip(1).all(escape)
}

/// Whether `text` is a URI with a scheme: an extension grant type, a token type or the target of a `Link`.
pub(crate) fn is_absolute_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    let parts = text.split_once(':');
    is_uri_reference(text) && parts.is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_a_scheme_and_legal_characters_er_09_se_06() {
        for uri in ["https://x/y?z#a", "urn:ietf:params:oauth:grant-type:device_code", "https://[::1]:8443/%C3%A9"] {
            assert!(is_absolute_uri(uri), "{uri}");
        }
        for relative in ["/errors", "errors#1", "1a:b", "a_b:c", "urn:"] {
            assert!(is_uri_reference(relative) && !is_absolute_uri(relative), "{relative}");
        }
        for bad in ["", "https://x/a b", "https://x/\"", "https://x/\\", "https://x/<y>", "https://x/%zz", "%2"] {
            assert!(!is_uri_reference(bad), "{bad}");
        }
    }
}
