use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// The longest time for which the document may be cached, so that clients see a change within the hour.
pub(super) const LONGEST_AGE: Duration = Duration::from_secs(3600);

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
    pub(super) issuer: String,
    pub(super) base_url: Option<String>,
    pub(super) path: Option<String>,
    pub(super) hides_password_grant: bool,
    /// Whether it is served for OpenID Connect, too.
    pub(super) openid: bool,
    pub(super) max_age: Duration,
    pub(super) methods: Vec<String>,
    pub(super) assertion_algorithms: Vec<String>,
    pub(super) members: Map<String, Value>,
    /// A member whose value is no JSON.
    pub(super) unwritable: Option<String>,
}

impl Metadata {
    /// A document for this issuer identifier: an `https` URL without user, query and fragment (RFC 8414 section 2), which
    /// clients compare byte by byte; `http` for this machine only. A token issuer that writes
    /// [an identifier](crate::TokenIssuer::issuer_identifier) into its tokens must write this one, final slash and all:
    /// [`build`](crate::Builder::build) refuses another.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            base_url: None,
            path: None,
            hides_password_grant: false,
            openid: false,
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

    /// Serves the document at `<issuer>/.well-known/openid-configuration`, too, for clients that look for it only there (OpenID
    /// Connect Discovery 1.0 section 4; a final slash of the issuer is not doubled). Default: not.
    ///
    /// What it needs there is added at both paths:
    /// - `subject_types_supported`: `public`; [`with`](Self::with) can say otherwise;
    /// - `id_token_signing_alg_values_supported`: what the
    ///   [token issuer says](crate::TokenIssuer::id_token_algorithms), left out if it signs no ID tokens;
    /// - `jwks_uri`, unless [set](Self::jwks_uri): `<issuer>/.well-known/jwks.json`, if the layer serves a
    ///   [document](crate::Builder::document) there.
    ///
    /// The layer sees these paths without what stands in the [base URL](Self::base_url), if the issuer begins with it.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses it where ID tokens are signed and nothing says where their keys are.
    pub fn openid_configuration(mut self) -> Self {
        self.openid = true;
        self
    }

    /// Where the public keys of JWTs are. Default: not said, but see [`openid_configuration`](Self::openid_configuration).
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

    /// The issuer's URL.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the endpoints are, or a URL of the same origin.
    pub(super) fn public_url(&self) -> &str {
        self.base_url.as_deref().unwrap_or(&self.issuer)
    }
}
