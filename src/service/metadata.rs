use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Uri};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::config_error::ConfigError;
use crate::boundary::document::PublicDocument;
use crate::boundary::setting::SettingError;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::wire::issuer_url::is_issuer;

/// The longest time for which the document may be cached, so that clients see a change within the hour.
const LONGEST_AGE: Duration = Duration::from_secs(3600);

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

/// The metadata document of the authorization server (RFC 8414): clients find the endpoints in it. Given to
/// [`Builder::metadata`](crate::Builder::metadata), which adds what the layer serves.
///
/// Every URL in it comes from here, never from a request.
///
/// ```
/// use tower_password_grant::mount::Metadata;
///
/// let metadata = Metadata::new("https://as.example")
///     .jwks_uri("https://as.example/.well-known/jwks.json")
///     .scopes_supported(["read", "write"]);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Metadata {
    issuer: String,
    base_url: Option<String>,
    path: Option<String>,
    hides_password_grant: bool,
    max_age: Duration,
    methods: Vec<String>,
    assertion_algorithms: Vec<String>,
    members: Map<String, Value>,
    /// A member whose value is no JSON.
    unwritable: Option<String>,
}

/// What the layer serves.
#[derive(Debug)]
pub(super) struct EndpointFacts<'a> {
    pub(super) token_path: &'a str,
    pub(super) revocation_path: Option<&'a str>,
    pub(super) introspection_path: Option<&'a str>,
    pub(super) grants: Vec<GrantType>,
    pub(super) post_allowed: bool,
}

impl Metadata {
    /// A document for this issuer identifier: an `https` URL without user, query and fragment (RFC 8414 section 2), which
    /// clients compare byte by byte; `http` for this machine only.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            base_url: None,
            path: None,
            hides_password_grant: false,
            max_age: LONGEST_AGE,
            methods: Vec::new(),
            assertion_algorithms: Vec::new(),
            members: Map::new(),
            unwritable: None,
        }
    }

    /// What stands before the layer's paths in a URL, without a final slash. Default: scheme, host and port of the issuer.
    /// Change it where a router or proxy strips a prefix before the layer.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The path at which the layer serves the document. Default: `/.well-known/oauth-authorization-server` and the path of the
    /// issuer (RFC 8414 section 3.1). Change it where a router strips a prefix before the layer.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Where the public keys of JWTs are. Default: not said.
    pub fn jwks_uri(self, uri: impl Into<String>) -> Self {
        self.with("jwks_uri", uri.into())
    }

    /// The scopes that clients may know of. Default: not said.
    pub fn scopes_supported<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        self.with("scopes_supported", scopes)
    }

    /// How clients authenticate. Default: `client_secret_basic`, `client_secret_post` unless it is
    /// [refused](crate::Builder::refuse_secrets_in_body), and `none`. Change it if there are no public clients, or for
    /// [methods](crate::client::ClientAuthMethod) of your own.
    pub fn client_authentication_methods<S: Into<String>>(mut self, methods: impl IntoIterator<Item = S>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// The algorithms of client assertions; required, and only meant, for `private_key_jwt` and `client_secret_jwt`.
    pub fn client_assertion_algorithms<S: Into<String>>(mut self, algorithms: impl IntoIterator<Item = S>) -> Self {
        self.assertion_algorithms = algorithms.into_iter().map(Into::into).collect();
        self
    }

    /// Leaves `password` out of `grant_types_supported`, and each other grant type by which a
    /// [password login begins](crate::grant::ExtensionGrant::begins_password_login). Default: the truth. For servers whose document is
    /// public and whose last client of this grant needs none.
    pub fn hide_password_grant(mut self) -> Self {
        self.hides_password_grant = true;
        self
    }

    /// How long the document may be cached, in whole seconds. Default: one hour, and at most that:
    /// [`build`](crate::Builder::build) refuses more.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Another member, such as `service_documentation`. Members that are made here win. [`build`](crate::Builder::build) refuses
    /// a value that cannot be written as JSON, such as a map whose keys are no texts.
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match serde_json::to_value(value) {
            Ok(value) => _ = self.members.insert(name, value),
            Err(_) => self.unwritable = Some(name),
        }
        self
    }

    /// Where the endpoints are, or a URL of the same origin.
    pub(super) fn public_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(&self.issuer)
    }

    /// The document with its path.
    pub(super) fn document(&self, facts: &EndpointFacts<'_>) -> Result<(String, Arc<dyn PublicDocument>), ConfigError> {
        if self.max_age > LONGEST_AGE {
            return Err(SettingError::new("Metadata::max_age", self.max_age, "an hour at most").into());
        }
        if let Some(name) = &self.unwritable {
            return Err(ConfigError::MetadataMember(name.clone()));
        }
        if !is_issuer(&self.issuer) {
            return Err(ConfigError::Issuer(self.issuer.clone()));
        }
        let issuer: Uri = self.issuer.parse().map_err(|_| ConfigError::Issuer(self.issuer.clone()))?;
        let origin = self.issuer.strip_suffix(issuer.path()).unwrap_or(&self.issuer);
        let base = self.base_url.as_deref().unwrap_or(origin);
        if !is_issuer(base) || base.ends_with('/') {
            return Err(ConfigError::Issuer(base.to_owned()));
        }
        let path = match &self.path {
            Some(path) => path.clone(),
            None => format!("{WELL_KNOWN}{}", issuer.path().trim_end_matches('/')),
        };
        let body = Value::Object(self.members(facts, base)?).to_string();
        Ok((path, Arc::new(Document { body: body.into(), max_age: self.max_age })))
    }

    fn members(&self, facts: &EndpointFacts<'_>, base: &str) -> Result<Map<String, Value>, ConfigError> {
        let url = |path: &str| Value::from(format!("{base}{path}"));
        let mut methods = self.methods.clone();
        if methods.is_empty() {
            let post = facts.post_allowed.then_some("client_secret_post");
            methods.extend(["client_secret_basic"].into_iter().chain(post).chain(["none"]).map(str::to_owned));
        }
        let needs_algorithms = methods.iter().any(|method| method.ends_with("_jwt"));
        let algorithms = &self.assertion_algorithms;
        if needs_algorithms == algorithms.is_empty() || algorithms.iter().any(|name| name == "none") {
            return Err(ConfigError::AssertionAlgorithms);
        }
        let is_shown = |grant: &&GrantType| !(self.hides_password_grant && grant.begins_password_login());
        let grants: Vec<&str> = facts.grants.iter().filter(is_shown).map(|grant| grant.name()).collect();

        // Empty arrays and nulls say nothing (RFC 8414 section 3.2).
        let says_something = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
        let mut members = self.members.clone();
        members.retain(|_, value| says_something(value));
        members.insert("issuer".to_owned(), self.issuer.as_str().into());
        members.insert("token_endpoint".to_owned(), url(facts.token_path));
        members.insert("grant_types_supported".to_owned(), json!(grants));
        // Required, although there is no authorization endpoint that would have any.
        members.insert("response_types_supported".to_owned(), json!([]));
        let mut endpoint = |name: &str, methods: &[&String]| {
            members.insert(format!("{name}_endpoint_auth_methods_supported"), json!(methods));
            if needs_algorithms {
                members.insert(format!("{name}_endpoint_auth_signing_alg_values_supported"), json!(algorithms));
            }
        };
        let all: Vec<&String> = methods.iter().collect();
        let confidential: Vec<&String> = methods.iter().filter(|method| *method != "none").collect();
        endpoint("token", &all);
        if facts.revocation_path.is_some() {
            endpoint("revocation", &all);
        }
        // Where all clients are public none may ask.
        if facts.introspection_path.is_some() && !confidential.is_empty() {
            endpoint("introspection", &confidential);
        }
        if let Some(path) = facts.revocation_path {
            members.insert("revocation_endpoint".to_owned(), url(path));
        }
        if let Some(path) = facts.introspection_path {
            members.insert("introspection_endpoint".to_owned(), url(path));
        }
        Ok(members)
    }
}

struct Document {
    body: Bytes,
    max_age: Duration,
}

impl PublicDocument for Document {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn body(&self) -> Bytes {
        self.body.clone()
    }

    fn max_age(&self) -> Duration {
        self.max_age
    }
}
