//! Registered clients (RFC 6749 section 2).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::charset::is_vschar;
use super::client_error::ClientError;
use super::form::MAX_CLIENT_ID;
use super::scope::Scope;
use super::secrets::{RandomnessError, SecretDigest, random_bytes};
use super::sunset::Sunset;

/// The grant type of RFC 6749 section 4.3.
pub(crate) const PASSWORD: &str = "password";

/// Whether a client can have this id (RFC 6749 A.1).
pub(crate) fn is_client_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_CLIENT_ID && is_vschar(id)
}

/// The identifier of a client (RFC 6749 section 2.2): 1 to 256 printable ASCII characters, not a secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({:?})", &*self.0)
    }
}

/// A client secret in the clear: only while it is made and handed over. The registry keeps its [`SecretDigest`].
///
/// ```
/// use tower_password_grant::ClientSecret;
///
/// let secret = ClientSecret::generate()?;
/// println!("hand this to the client's developer, once: {}", secret.expose());
/// let stored = secret.digest();
/// # Ok::<_, tower_password_grant::RandomnessError>(())
/// ```
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A secret of 43 letters and digits that carries 256 bits of the operating system's randomness.
    ///
    /// Letters and digits only, because clients in the field encode every other character in the `Authorization` header
    /// in several different ways.
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness.
    pub fn generate() -> Result<Self, RandomnessError> {
        const ALPHABET: [u8; 62] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        const LENGTH: usize = 43;
        let mut secret = Zeroizing::new(String::with_capacity(LENGTH));
        while secret.len() < LENGTH {
            // Bytes from 248 on are thrown away, or some letters would be likelier than others.
            let bytes = random_bytes()?;
            let letters = bytes.iter().filter(|byte| **byte < 248);
            let room = LENGTH.saturating_sub(secret.len());
            for letter in letters.filter_map(|byte| ALPHABET.get(usize::from(byte % 62))).take(room) {
                secret.push(char::from(*letter));
            }
        }
        Ok(Self(secret))
    }

    /// A secret that exists already. Its digest resists guessing only if it is random and long; see [`SecretDigest`].
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself, to hand it over once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the registry stores.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

/// How a client must authenticate (RFC 6749 section 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// A public client: it has no secret, and its `client_id` alone names it.
    None,
    /// A secret, in the `Authorization` header or in the body.
    Secret,
    /// A secret, in the `Authorization` header only (`client_secret_basic`).
    SecretBasic,
    /// A secret, in the body only (`client_secret_post`).
    SecretPost,
    /// A [`ClientAuthMethod`](crate::ClientAuthMethod) of this name; never a secret, never nothing.
    Method(String),
}

#[derive(Clone)]
struct StoredSecret {
    digest: SecretDigest,
    expires: Option<SystemTime>,
}

/// A registered client: who it is, how it authenticates and what it may ask for.
///
/// Everything is denied until it is allowed: a new client may use no grant, no scope and no origin. Cloning is cheap.
///
/// ```
/// use tower_password_grant::{Client, ClientSecret};
///
/// let secret = ClientSecret::generate()?;
/// let client = Client::confidential("billing", &secret.digest())
///     .allow_password_grant()
///     .scopes("read write")
///     .default_scope("read")
///     .build()?;
/// assert_eq!(client.id().as_str(), "billing");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    id: ClientId,
    authentication: ClientAuthentication,
    /// Two at most, so that one can be replaced while the other still works.
    secrets: [Option<StoredSecret>; 2],
    raw_basic: bool,
    trusts_end_user_address: bool,
    grants: Vec<String>,
    scopes: Scope,
    default_scope: Option<Scope>,
    origins: Vec<String>,
    realm: Option<String>,
    lifetime: Option<Duration>,
    sunset: Option<Sunset>,
}

impl Client {
    /// Starts a public client: an application that cannot keep a secret, such as a command-line tool or a page.
    pub fn public(id: &str) -> ClientBuilder {
        ClientBuilder::new(id, ClientAuthentication::None)
    }

    /// Starts a confidential client that authenticates with the secret of this digest.
    pub fn confidential(id: &str, secret: &SecretDigest) -> ClientBuilder {
        ClientBuilder::new(id, ClientAuthentication::Secret).secret(secret, None)
    }

    /// Starts a confidential client that authenticates by the [`ClientAuthMethod`](crate::ClientAuthMethod) of this name.
    pub fn with_method(id: &str, method: &str) -> ClientBuilder {
        ClientBuilder::new(id, ClientAuthentication::Method(method.to_owned()))
    }

    /// The client's identifier.
    #[must_use]
    pub fn id(&self) -> &ClientId {
        &self.0.id
    }

    /// How the client must authenticate.
    #[must_use]
    pub fn authentication(&self) -> &ClientAuthentication {
        &self.0.authentication
    }

    /// Whether the client is public: its id is a name, not a proof.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.0.authentication == ClientAuthentication::None
    }

    /// The scope that the client is registered for.
    #[must_use]
    pub fn scopes(&self) -> &Scope {
        &self.0.scopes
    }

    /// The realm (separate user directory) whose users this client logs in, if it is bound to one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.0.realm.as_deref()
    }

    /// Whether the client may use this grant type.
    #[must_use]
    pub fn allows_grant(&self, grant_type: &str) -> bool {
        self.0.grants.iter().any(|grant| grant == grant_type)
    }

    /// Whether pages of this origin (`https://app.example`, without a path) may use the client.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.0.origins.iter().any(|allowed| allowed == origin)
    }

    pub(crate) fn default_scope(&self) -> Option<&Scope> {
        self.0.default_scope.as_ref()
    }

    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.0.lifetime
    }

    pub(crate) fn sunset(&self) -> Option<&Sunset> {
        self.0.sunset.as_ref()
    }

    pub(crate) fn accepts_raw_basic(&self) -> bool {
        self.0.raw_basic
    }

    /// Whether the client, once it has authenticated, may name its end user's address.
    pub(crate) fn trusts_end_user_address(&self) -> bool {
        self.0.trusts_end_user_address
    }

    /// Whether one of the live secrets has one of the presented digests: always the same number of comparisons, none of
    /// which stops early.
    pub(crate) fn matches(client: Option<&Self>, presented: &[SecretDigest], now: SystemTime) -> Choice {
        // An unknown client is compared with a digest of nothing, and the result thrown away.
        let nothing = SecretDigest::from_bytes([0; 32]);
        let mut found = Choice::from(0);
        for slot in 0..2 {
            let stored = client.and_then(|client| client.0.secrets.get(slot)).and_then(Option::as_ref);
            let live = stored.is_some_and(|secret| secret.expires.is_none_or(|end| now < end));
            let digest = stored.map_or(&nothing, |secret| &secret.digest);
            let equal = presented.iter().fold(Choice::from(0), |any, one| any | one.ct_eq(digest));
            found |= equal & Choice::from(u8::from(live));
        }
        found & u8::from(client.is_some()).ct_eq(&1)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.0.id)
            .field("authentication", &self.0.authentication)
            .field("grants", &self.0.grants)
            .field("scopes", &self.0.scopes)
            .field("realm", &self.0.realm)
            .finish_non_exhaustive()
    }
}

/// Registers a [`Client`]; errors are told by [`build`](Self::build).
#[must_use]
#[derive(Clone)]
pub struct ClientBuilder {
    inner: Inner,
    error: Option<ClientError>,
}

impl ClientBuilder {
    fn new(id: &str, authentication: ClientAuthentication) -> Self {
        Self {
            inner: Inner {
                id: ClientId(id.into()),
                authentication,
                secrets: [None, None],
                raw_basic: false,
                trusts_end_user_address: false,
                grants: Vec::new(),
                scopes: Scope::default(),
                default_scope: None,
                origins: Vec::new(),
                realm: None,
                lifetime: None,
                sunset: None,
            },
            error: (!is_client_id(id)).then_some(ClientError::Id),
        }
    }

    fn fail(mut self, error: ClientError) -> Self {
        self.error.get_or_insert(error);
        self
    }

    /// Adds a secret that works until `expires` (for ever if `None`). Two may live at once, so that a new one can be
    /// rolled out before the old one ends.
    pub fn secret(mut self, digest: &SecretDigest, expires: Option<SystemTime>) -> Self {
        if bool::from(digest.ct_eq(&SecretDigest::of(""))) {
            return self.fail(ClientError::EmptySecret);
        }
        let stored = StoredSecret { digest: digest.clone(), expires };
        match self.inner.secrets.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some(stored);
                self
            }
            None => self.fail(ClientError::TooManySecrets),
        }
    }

    /// Pins how the client sends its secret. Default: header and body are both accepted, because client libraries use
    /// one for the first request and the other for the next. Change it once you know your client.
    pub fn authenticate_by(mut self, authentication: ClientAuthentication) -> Self {
        self.inner.authentication = authentication;
        self
    }

    /// Accepts an `Authorization: Basic` value whose halves were not form-encoded, as RFC 6749 section 2.3.1 asks, but
    /// written as they are. Default: off; only ids or secrets with `%` or `+` need it. For migration.
    pub fn raw_basic(mut self) -> Self {
        self.inner.raw_basic = true;
        self
    }

    /// Believes the client what it says about its users' addresses, in a
    /// [header](crate::Builder::end_user_address_header): guesses are then counted on the user's address instead of the
    /// client's own, so that one user's mistakes lock no other out. Default: off. Turn it on for a server that logs in
    /// for many users and passes the address on that it saw, not a header of theirs: whoever can choose the address has
    /// no budget per address. The ceiling on all requests of an address stays the client's own: see
    /// [`exempt_networks`](crate::Builder::exempt_networks). Confidential clients only.
    pub fn trust_end_user_address(mut self) -> Self {
        self.inner.trusts_end_user_address = true;
        self
    }

    /// Allows the password grant. RFC 9700 section 2.4 forbids it for new clients: set an [end date](Self::sunset).
    pub fn allow_password_grant(self) -> Self {
        self.allow_grant(PASSWORD)
    }

    /// Allows a grant type (RFC 6749 section 4.5), such as one of an [`ExtensionGrant`](crate::ExtensionGrant). Default:
    /// none.
    pub fn allow_grant(mut self, grant_type: &str) -> Self {
        if !self.inner.grants.iter().any(|known| known == grant_type) {
            self.inner.grants.push(grant_type.to_owned());
        }
        self
    }

    /// The scope tokens, separated by single spaces, that the client may ask for. Default: none.
    pub fn scopes(mut self, scopes: &str) -> Self {
        match scopes.parse() {
            Ok(scopes) => self.inner.scopes = scopes,
            Err(error) => return self.fail(ClientError::Scope(error)),
        }
        self
    }

    /// What the client gets when it asks for no scope; must be within [`scopes`](Self::scopes). Default: the endpoint's
    /// own default.
    pub fn default_scope(mut self, scope: &str) -> Self {
        match scope.parse() {
            Ok(scope) => self.inner.default_scope = Some(scope),
            Err(error) => return self.fail(ClientError::Scope(error)),
        }
        self
    }

    /// Lets pages of this origin use the client (answers CORS for it and takes its requests), written as browsers write
    /// it: `https://app.example`, `http://localhost:3000`. Default: none.
    pub fn allow_origin(mut self, origin: &str) -> Self {
        // Anything else would be listed and never match what a browser sends.
        let is_written_as_sent = |uri: http::Uri| {
            let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
            let port = uri.port_u16().map(|port| format!(":{port}"));
            let parts = uri.scheme_str().zip(uri.host());
            uri.port_u16() != Some(default_port)
                && parts
                    .is_some_and(|(scheme, host)| format!("{scheme}://{host}{}", port.unwrap_or_default()) == origin)
        };
        if !origin.parse().is_ok_and(is_written_as_sent) || origin.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.fail(ClientError::Origin);
        }
        self.inner.origins.push(origin.to_owned());
        self
    }

    /// Binds the client to one realm, a separate user directory. The verifier gets it with every attempt; a request
    /// cannot choose another. Default: none.
    pub fn realm(mut self, realm: &str) -> Self {
        self.inner.realm = Some(realm.to_owned());
        self
    }

    /// How long an access token of the password grant lives for this client, in whole seconds. Default: the endpoint's.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        if lifetime < Duration::from_secs(1) {
            return self.fail(ClientError::Lifetime(lifetime));
        }
        self.inner.lifetime = Some(lifetime);
        self
    }

    /// Announces the end of the password grant for this client, and ends it on that day.
    pub fn sunset(mut self, sunset: Sunset) -> Self {
        self.inner.sunset = Some(sunset);
        self
    }

    /// Checks everything and gives the client.
    ///
    /// # Errors
    /// The first thing that was wrong.
    pub fn build(self) -> Result<Client, ClientError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let inner = self.inner;
        if inner.default_scope.as_ref().is_some_and(|scope| !scope.is_subset(&inner.scopes)) {
            return Err(ClientError::DefaultScope);
        }
        let has_secret = inner.secrets.iter().any(Option::is_some);
        let needs_secret = matches!(
            inner.authentication,
            ClientAuthentication::Secret | ClientAuthentication::SecretBasic | ClientAuthentication::SecretPost
        );
        if has_secret != needs_secret {
            return Err(ClientError::Authentication);
        }
        if inner.trusts_end_user_address && inner.authentication == ClientAuthentication::None {
            return Err(ClientError::EndUserAddress);
        }
        Ok(Client(Arc::new(inner)))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("id", &self.inner.id).field("error", &self.error).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
