//! Registered clients (RFC 6749 section 2).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::builder::ClientBuilder;
use super::error::ClientError;
use super::realms::OwnRealms;
use super::sunset::end::Sunset;
use crate::protocol::audience::Audience;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::{RandomnessError, SecretDigest, random_bytes};
use crate::protocol::wire::charset::is_vschar;
use crate::protocol::wire::form::MAX_CLIENT_ID;

/// The grant type of RFC 6749 section 4.3.
pub(crate) const PASSWORD: &str = "password";
/// The grant type of RFC 6749 section 6.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
/// The password grant in a realm that the request names, as Auth0 calls it.
pub(crate) const PASSWORD_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
/// The grants that finish a login with a second factor open, as Auth0 calls them: by a code of an authenticator app, on another way,
/// and by a recovery code.
pub(crate) const MFA_OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
pub(crate) const MFA_OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
pub(crate) const MFA_RECOVERY_CODE: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";
/// All three of them.
pub(crate) const SECOND_FACTOR: [&str; 3] = [MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE];

/// What a client's refresh tokens have of their own; the rest is the endpoint's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RefreshRules {
    pub(crate) lifetime: Option<Duration>,
    pub(crate) idle_lifetime: Option<Duration>,
    pub(crate) leeway: Option<Duration>,
    /// The same token is used again and again.
    pub(crate) is_reused: bool,
}

/// Whether a client can have this id (RFC 6749 A.1).
pub(crate) fn is_client_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_CLIENT_ID && is_vschar(id)
}

/// The identifier of a client (RFC 6749 section 2.2): 1 to 256 printable ASCII characters, not a secret.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub(crate) Arc<str>);

impl ClientId {
    /// An identifier, for stores that keep one beside a token.
    ///
    /// # Errors
    /// Fails when it is empty, longer than 256 bytes or not printable ASCII.
    pub fn new(id: &str) -> Result<Self, ClientError> {
        if is_client_id(id) { Ok(Self(id.into())) } else { Err(ClientError::Id) }
    }

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
/// # Ok::<_, tower_password_grant::error::RandomnessError>(())
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
    /// A [`ClientAuthMethod`](crate::client::ClientAuthMethod) of this name; never a secret, never nothing.
    Method(String),
}

#[derive(Clone)]
pub(crate) struct StoredSecret {
    pub(crate) digest: SecretDigest,
    pub(crate) expires: Option<SystemTime>,
}

/// A registered client: its id, how it authenticates and what it may ask for.
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
pub struct Client(pub(crate) Arc<Inner>);

#[derive(Clone)]
pub(crate) struct Inner {
    pub(crate) id: ClientId,
    pub(crate) authentication: ClientAuthentication,
    /// Two at most, so that one can be replaced while the other still works.
    pub(crate) secrets: [Option<StoredSecret>; 2],
    pub(crate) raw_basic: bool,
    pub(crate) trusts_end_user_address: bool,
    pub(crate) grants: Vec<String>,
    pub(crate) scopes: Scope,
    pub(crate) default_scope: Option<Scope>,
    pub(crate) origins: Vec<String>,
    pub(crate) realms: OwnRealms,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) sunset: Option<Sunset>,
    pub(crate) stands_for: Vec<String>,
    pub(crate) allowed_audiences: Vec<Audience>,
    pub(crate) may_introspect: bool,
    pub(crate) refresh: RefreshRules,
}

impl Client {
    /// Starts a public client: an application that cannot keep a secret, such as a command-line tool or a page.
    pub fn public(id: &str) -> ClientBuilder {
        ClientBuilder::new(id, ClientAuthentication::None)
    }

    /// Starts a confidential client that authenticates with the secret of this digest. Of a secret that the client has already, and
    /// that is random, it is [`SecretDigest::of`] its text.
    pub fn confidential(id: &str, secret: &SecretDigest) -> ClientBuilder {
        ClientBuilder::new(id, ClientAuthentication::Secret).secret(secret, None)
    }

    /// Starts a confidential client that authenticates by the [`ClientAuthMethod`](crate::client::ClientAuthMethod) of this name.
    pub fn with_method(id: &str, method: &str) -> ClientBuilder {
        ClientBuilder::new(id, ClientAuthentication::Method(method.to_owned()))
    }

    /// The registration as it is, with its secrets, to change some of it.
    ///
    /// ```
    /// use tower_password_grant::Client;
    ///
    /// let cli = Client::public("cli").allow_password_grant().allow_refresh_tokens();
    /// let cli = cli.scopes("read write").build()?;
    /// let changed = cli.to_builder().remove_grant("password").remove_scope("write").build()?;
    /// assert!(!changed.allows_grant("password") && changed.allows_grant("refresh_token"));
    /// assert_eq!(changed.scopes().as_str(), "read");
    /// # Ok::<_, tower_password_grant::client::ClientError>(())
    /// ```
    pub fn to_builder(&self) -> ClientBuilder {
        ClientBuilder::from_inner(Inner::clone(&self.0))
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

    /// The realms (separate user directories) that the client lists, the default first. Its logins choose among them, so its
    /// tokens are of no other. Nothing for a client that lists none: its users are of no realm.
    pub fn realms(&self) -> impl Iterator<Item = &str> {
        self.0.realms.names()
    }

    /// The realm of the client's logins that ask for none, if it lists any: the first of its [`realms`](Self::realms).
    #[must_use]
    pub fn default_realm(&self) -> Option<&str> {
        self.realms().next()
    }

    /// Whether the client lists realms: then the parameter `realm` of its logins chooses among them.
    pub(crate) fn lists_realms(&self) -> bool {
        !self.0.realms.is_empty()
    }

    /// The realm of a request that begins a login and asks for this one, if the client lists it.
    #[inline]
    pub(crate) fn chosen_realm(&self, requested: Option<&str>) -> Option<Realm> {
        self.0.realms.choose(requested)
    }

    /// The realm of what was given before, if the client still serves it.
    pub(crate) fn served_realm(&self, realm: Option<&str>) -> Option<Realm> {
        self.0.realms.find(realm)
    }

    /// Whether the client serves users of this realm.
    pub(crate) fn serves_realm(&self, realm: Option<&str>) -> bool {
        self.served_realm(realm).is_some()
    }

    /// Whether the client may know of users of this realm: one that lists none may know of all.
    pub(crate) fn may_know_realm(&self, realm: Option<&str>) -> bool {
        !self.lists_realms() || self.serves_realm(realm)
    }

    /// Whether the client may use this grant type.
    #[must_use]
    pub fn allows_grant(&self, grant_type: &str) -> bool {
        self.0.grants.iter().any(|grant| grant == grant_type)
    }

    /// Whether the client may finish logins with a second factor, by one grant at least: then it may manage second factors, too.
    pub(crate) fn allows_second_factor(&self) -> bool {
        SECOND_FACTOR.into_iter().any(|grant| self.allows_grant(grant))
    }

    /// Whether pages of this origin (`https://app.example`, without a path) may use the client.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.0.origins.iter().any(|allowed| allowed == origin)
    }

    /// The resource servers that the client stands for, if it is an API that asks about tokens.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.0.stands_for
    }

    /// The resource servers that the client may ask tokens for.
    pub fn allowed_audiences(&self) -> impl Iterator<Item = &str> {
        self.0.allowed_audiences.iter().map(Audience::as_str)
    }

    /// Whether the client may ask tokens for anything: then the parameter `audience` of its logins says it.
    pub(crate) fn names_audiences(&self) -> bool {
        !self.0.allowed_audiences.is_empty()
    }

    /// The resource server of this name, if the client may ask tokens for it.
    pub(crate) fn allowed_audience(&self, name: &str) -> Option<Audience> {
        self.0.allowed_audiences.iter().find(|audience| audience.as_str() == name).cloned()
    }

    /// Whether the client may ask about tokens (RFC 7662).
    #[must_use]
    pub fn may_introspect(&self) -> bool {
        self.0.may_introspect
    }

    pub(crate) fn refresh_rules(&self) -> &RefreshRules {
        &self.0.refresh
    }

    /// The digests of its secrets, each with the end of its life.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&SecretDigest, Option<SystemTime>)> {
        self.0.secrets.iter().flatten().map(|secret| (&secret.digest, secret.expires))
    }

    pub(crate) fn grants(&self) -> &[String] {
        &self.0.grants
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.0.origins
    }

    pub(crate) fn default_scope(&self) -> Option<&Scope> {
        self.0.default_scope.as_ref()
    }

    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.0.lifetime
    }

    /// The end of the password grant for the client, with the steps that lead to it, if it has one.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_password_grant::Client;
    /// use tower_password_grant::client::Sunset;
    ///
    /// let (now, month) = (SystemTime::now(), Duration::from_secs(30 * 86_400));
    /// let app = Client::public("app").sunset(Sunset::at(now + month)).build()?;
    ///
    /// // A rehearsal of a quarter of an hour, from now on.
    /// let plan = app.sunset().cloned().ok_or("it has one")?;
    /// let plan = plan.brownout(now, Duration::from_secs(900))?;
    /// let app = app.to_builder().sunset(plan).build()?;
    /// # assert_eq!(app.sunset().map(|plan| plan.brownouts().count()), Some(1));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sunset(&self) -> Option<&Sunset> {
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
    /// which stops early, by a function that a test can count. The end of a secret is looked at only if it is the presented
    /// one, so that all wrong secrets take the same time.
    #[inline]
    pub(crate) fn matches(
        client: Option<&Self>,
        presented: &[SecretDigest],
        moment: impl Fn() -> SystemTime,
        mut equal: impl FnMut(&SecretDigest, &SecretDigest) -> Choice,
    ) -> Choice {
        // An unknown client is compared with a digest of nothing, and the result thrown away.
        let nothing = SecretDigest::from_bytes([0; 32]);
        let mut found = Choice::from(0);
        for slot in 0..2 {
            let stored = client.and_then(|client| client.0.secrets.get(slot)).and_then(Option::as_ref);
            let digest = stored.map_or(&nothing, |secret| &secret.digest);
            let equal = presented.iter().fold(Choice::from(0), |any, one| any | equal(one, digest));
            let is_live = |end: SystemTime| bool::from(equal) && moment() < end;
            let live = stored.is_some_and(|secret| secret.expires.is_none_or(is_live));
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
            .field("realms", &self.realms().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "registered_tests.rs"]
mod tests;
