//! Attempts without a request.

use std::fmt;
use std::net::IpAddr;

use http::Extensions;

use super::roomy::charge;
use crate::boundary::host_extensions::HostExtensions;
use crate::boundary::verifier::{Attempt, Said};
use crate::protocol::client::error::ClientError;
use crate::protocol::client::registered::Client;
use crate::protocol::explained::explained;
use crate::protocol::scope::{Scope, ScopeError};
use crate::protocol::secret::secrets::Password;
use crate::protocol::wire::texts::{Span, Texts};

/// An attempt as the endpoint would hand it to a [`CredentialVerifier`](crate::CredentialVerifier), from the public
/// client `test` that asks for no scope, unless you set one.
///
/// ```
/// use tower_password_grant::Client;
/// use tower_password_grant::testing::attempt;
///
/// let attempt = attempt("alice", "correct horse")
///     .client(Client::public("tv").realm("staff").build()?)
///     .scope("read")
///     .field("device", "living room")
///     .address([192, 0, 2, 1])
///     .build()?;
/// assert_eq!(attempt.username(), "alice");
/// assert_eq!(attempt.realm(), Some("staff"));
/// assert_eq!(attempt.field("device"), Some("living room"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn attempt(username: &str, password: &str) -> AttemptBuilder {
    AttemptBuilder {
        username: username.to_owned(),
        password: Password::new(password.to_owned()),
        fields: Vec::new(),
        client: None,
        realm: None,
        scope: None,
        address: None,
        extensions: Extensions::new(),
    }
}

/// Puts an [`Attempt`] together; see [`attempt`].
#[must_use]
pub struct AttemptBuilder {
    username: String,
    password: Password,
    fields: Vec<(String, String)>,
    client: Option<Client>,
    realm: Option<String>,
    scope: Option<String>,
    address: Option<IpAddr>,
    extensions: Extensions,
}

impl AttemptBuilder {
    /// The client, and with it the realm: its default one, if it lists some. Default: a public client `test`, of no realm.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The realm that the request asks for: one that the client lists. Default: the client's default.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// The scope that was asked for: tokens separated by single spaces. Default: none.
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// Adds a form field that the endpoint does not know.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The address that the request comes from. Default: unknown.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Adds what a layer of the host would have put into the request.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.extensions.insert(extension);
        self
    }

    /// Gives the attempt. It is charged to a budget of its own, which always has room.
    ///
    /// # Errors
    /// Fails on a malformed scope, and on a realm that the client does not list.
    pub fn build(self) -> Result<Attempt, AttemptError> {
        let client = match self.client {
            Some(client) => client,
            None => Client::public("test").build().map_err(AttemptError::Client)?,
        };
        let scope = match &self.scope {
            Some(scope) => scope.parse().map_err(AttemptError::Scope)?,
            None => Scope::default(),
        };
        let mut texts = Texts::default();
        let mut push = |text: &str| -> Span { texts.push(text) };
        let username = push(&self.username);
        let password = push(self.password.expose());
        let fields = self.fields.iter().map(|(name, value)| (push(name), push(value))).collect();
        let charge = charge(&self.username).ok_or(AttemptError::Charge)?;
        let said = Said {
            username,
            password: Password::within(texts, password),
            fields,
            realm: client.chosen_realm(self.realm.as_deref()).ok_or(AttemptError::Realm)?,
            client,
            scope,
            address: self.address,
            extensions: HostExtensions::Own(self.extensions),
        };
        Ok(Attempt::charged(charge, said).0)
    }
}

impl fmt::Debug for AttemptBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptBuilder")
    }
}

/// Why an attempt cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// A scope that breaks RFC 6749 A.4.
    #[error("the scope is malformed")]
    Scope(#[source] ScopeError),
    /// A realm that the client does not list.
    #[error("the client does not list the realm: `ClientBuilder::realms`")]
    Realm,
    /// The client cannot be registered.
    #[error("the client cannot be registered")]
    Client(#[source] ClientError),
    /// The attempt could not be charged. Never so here.
    #[error("the attempt cannot be charged")]
    Charge,
}

impl fmt::Debug for AttemptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
