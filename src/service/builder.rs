use std::fmt;

use super::config_error::ConfigError;
use super::layer::PasswordGrantLayer;
use super::options::Options;
use super::required::{HasClients, HasIssuer, HasVerifier, NotSet};
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::peer::PeerAddress;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::verifier::CredentialVerifier;

/// Where it starts: [`PasswordGrant::builder`].
#[derive(Debug)]
pub struct PasswordGrant(());

impl PasswordGrant {
    /// A builder of the token endpoint. Required are [`clients`](Builder::clients), [`verifier`](Builder::verifier),
    /// [`issuer`](Builder::issuer) and [`peer_address`](Builder::peer_address).
    pub fn builder() -> Builder {
        Builder { clients: NotSet(()), verifier: NotSet(()), issuer: NotSet(()), options: Options::default() }
    }
}

/// Puts a token endpoint together: the four required calls, what differs from the defaults, and [`build`](Self::build). Each
/// method names its default; the [manual](crate::manual::defaults) says why it is that one, and when to change it.
/// `clients`, `verifier` and `issuer` change the builder's type. A part that is chosen at run time is chosen before, as
/// `Arc<dyn CredentialVerifier>` for one.
///
/// ```
/// # use tower_password_grant::store::MemoryAccessTokens;
/// use tower_password_grant::{
///     Client, Denial, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, verify_fn,
/// };
///
/// # fn layer() -> Result<tower_password_grant::PasswordGrantLayer, Box<dyn std::error::Error>> {
/// let cli = Client::public("cli").allow_password_grant().scopes("read");
/// let layer = PasswordGrant::builder()
///     .clients(StaticClients::new([cli.build()?])?)
///     .verifier(verify_fn(|_| async { Ok(Denial::UnknownUser.into()) }))
///     .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
///     .peer_address(PeerAddress::socket_addr())
///     .build()?;
/// # Ok(layer)
/// # }
/// # assert!(layer().is_ok());
/// ```
#[must_use]
pub struct Builder<C = NotSet, V = NotSet, I = NotSet> {
    clients: C,
    verifier: V,
    issuer: I,
    pub(super) options: Options,
}

/// The four required parts, and `build`.
impl<C, V, I> Builder<C, V, I> {
    /// The clients that may call. Required.
    pub fn clients<T: ClientRegistry>(self, clients: T) -> Builder<T, V, I> {
        Builder { clients, verifier: self.verifier, issuer: self.issuer, options: self.options }
    }

    /// Decides whether this is the user's password. Required.
    pub fn verifier<T: CredentialVerifier>(self, verifier: T) -> Builder<C, T, I> {
        Builder { clients: self.clients, verifier, issuer: self.issuer, options: self.options }
    }

    /// Makes the tokens. Required.
    pub fn issuer<T: TokenIssuer>(self, issuer: T) -> Builder<C, V, T> {
        Builder { clients: self.clients, verifier: self.verifier, issuer, options: self.options }
    }

    /// Where the peer's address comes from, on which attempts are counted. Required, because no part of a request
    /// says it reliably, and a wrong guess would either lock all users out together or none at all.
    pub fn peer_address(mut self, source: PeerAddress) -> Self {
        self.options.peer = Some(source);
        self
    }

    /// Checks everything and gives the layer.
    ///
    /// # Errors
    /// The first thing that was wrong, with its cure.
    pub fn build(self) -> Result<PasswordGrantLayer, ConfigError>
    where
        C: HasClients,
        V: HasVerifier,
        I: HasIssuer,
    {
        self.options.assemble(Box::new(self.clients), Box::new(self.verifier), Box::new(self.issuer))
    }
}

impl<C, V, I> fmt::Debug for Builder<C, V, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("token_path", &self.options.token_path).finish_non_exhaustive()
    }
}
