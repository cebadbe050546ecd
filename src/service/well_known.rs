use http::Uri;

use super::config_error::ConfigError;
use crate::protocol::wire::issuer_url::is_issuer;

const METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/.well-known/jwks.json";

/// Where clients look for the documents of an issuer.
#[derive(Debug)]
pub(super) struct WellKnown<'a> {
    /// Without a final slash.
    issuer: &'a str,
    /// Without a final slash.
    issuer_path: String,
    /// What stands before the layer's paths in a URL.
    base: &'a str,
}

impl<'a> WellKnown<'a> {
    pub(super) fn of(issuer: &'a str, base: Option<&'a str>) -> Result<Self, ConfigError> {
        let refused = |url: &str| ConfigError::Issuer(url.to_owned());
        if !is_issuer(issuer) {
            return Err(refused(issuer));
        }
        let uri: Uri = issuer.parse().map_err(|_| refused(issuer))?;
        let base = base.unwrap_or_else(|| issuer.strip_suffix(uri.path()).unwrap_or(issuer));
        if !is_issuer(base) || base.ends_with('/') {
            return Err(refused(base));
        }
        let issuer_path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { issuer: issuer.trim_end_matches('/'), issuer_path, base })
    }

    pub(super) fn base(&self) -> &'a str {
        self.base
    }

    /// Between host and path of the issuer (RFC 8414 section 3.1).
    pub(super) fn metadata_path(&self) -> String {
        format!("{METADATA}{}", self.issuer_path)
    }

    /// Behind the path of the issuer (OpenID Connect Discovery 1.0 section 4).
    pub(super) fn openid_path(&self) -> String {
        self.behind_issuer(OPENID_CONFIGURATION)
    }

    pub(super) fn keys_path(&self) -> String {
        self.behind_issuer(KEYS)
    }

    pub(super) fn keys_url(&self) -> String {
        format!("{}{KEYS}", self.issuer)
    }

    /// As the layer sees it: without what was stripped before it.
    fn behind_issuer(&self, path: &str) -> String {
        let stripped = self.issuer.strip_prefix(self.base).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        format!("{}{path}", stripped.unwrap_or(&self.issuer_path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_stands_where_its_standard_has_it_and_no_slash_is_doubled() {
        for (issuer, base, metadata, openid, keys) in [
            ("https://as.example", None, METADATA, OPENID_CONFIGURATION, "https://as.example/.well-known/jwks.json"),
            ("https://as.example/", None, METADATA, OPENID_CONFIGURATION, "https://as.example/.well-known/jwks.json"),
            (
                "https://as.example:8443/a/b/",
                None,
                "/.well-known/oauth-authorization-server/a/b",
                "/a/b/.well-known/openid-configuration",
                "https://as.example:8443/a/b/.well-known/jwks.json",
            ),
            // A router strips `/v1` before the layer.
            (
                "https://as.example/v1/t",
                Some("https://as.example/v1"),
                "/.well-known/oauth-authorization-server/v1/t",
                "/t/.well-known/openid-configuration",
                "https://as.example/v1/t/.well-known/jwks.json",
            ),
            // The endpoints are at another host, or behind a name that only looks like the base.
            (
                "https://id.example/t",
                Some("https://as.example"),
                "/.well-known/oauth-authorization-server/t",
                "/t/.well-known/openid-configuration",
                "https://id.example/t/.well-known/jwks.json",
            ),
            (
                "https://as.example/v12",
                Some("https://as.example/v1"),
                "/.well-known/oauth-authorization-server/v12",
                "/v12/.well-known/openid-configuration",
                "https://as.example/v12/.well-known/jwks.json",
            ),
        ] {
            let places = WellKnown::of(issuer, base).unwrap();
            let found = (places.metadata_path(), places.openid_path(), places.keys_url());
            assert_eq!(found, (metadata.to_owned(), openid.to_owned(), keys.to_owned()), "{issuer}");
            assert_eq!(places.keys_path(), openid.replace("openid-configuration", "jwks.json"));
        }
    }
}
