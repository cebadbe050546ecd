//! Which client is calling? (RFC 6749 section 2)

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use super::backend::BackendError;
use super::maybe::{Answering, MaybeFuture};
use crate::protocol::client::registered::Client;

/// Looks clients up. It decides nothing: secrets are compared by the endpoint, in constant time and with the same work
/// for a client that does not exist (RFC 6749 section 3.2.1).
///
/// One over a table of your own keeps each registration as a text: [`Client::to_text`] shows it. The suite
/// `testing::contract::client_registry` (feature `testing`) holds your registry to all that is said here.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::{BackendError, Client, ClientRegistry};
/// use tower_password_grant::store::SecretDigest;
///
/// struct Clients { /* your pool */ }
///
/// #[async_trait]
/// impl ClientRegistry for Clients {
///     async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
///         // SELECT ... WHERE client_id = $1
///         # let stored = [0; 32];
///         let client = Client::confidential(client_id, &SecretDigest::from_bytes(stored))
///             .allow_password_grant()
///             .scopes("read write")
///             .build()?;
///         Ok(Some(client))
///     }
/// }
/// ```
///
/// # Contract
/// `find` answers for exactly this id, compared byte by byte, and `None` where there is no such client.
///
/// # Security
/// A client that is found by a wrong id is fatal; a client that is not found is a nuisance. The id comes from an
/// unauthenticated request: bind it as a parameter, never into the text of a query.
///
/// # Cancellation
/// The future is dropped when the client hangs up or the deadline passes.
///
/// # Errors
/// A [`BackendError`] answers 503; an unknown client is `Ok(None)`.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `ClientRegistry`",
    note = "implement the trait with `#[async_trait]`, use `StaticClients`, or wrap a closure: `find_client_fn(|id| async move {{ .. }})`; a trait object goes in an `Arc`"
)]
pub trait ClientRegistry: Send + Sync + 'static {
    /// Looks up the client with this id: 1 to 256 printable ASCII characters.
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError>;

    /// [`find`](Self::find), as the endpoint asks it: the answer may be there at once. Provided: `find`. Override it beside `find`
    /// where nothing is waited for, as by a registry in memory, with [`MaybeFuture::ready`]; that saves an allocation for each
    /// request. Both must answer the same.
    fn find_at_once<'a>(&'a self, client_id: &'a str) -> MaybeFuture<'a, Result<Option<Client>, BackendError>> {
        self.find(client_id).into()
    }

    /// Whether any client allows pages of this origin, for CORS preflight requests, which name no client. The request
    /// that follows is still held to its own client's list.
    ///
    /// Default: none does.
    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        let _ = origin;
        Ok(false)
    }

    /// All clients, if they are known when the endpoint is built and do not change: then a warning at the start says what of
    /// their registrations cannot work with the endpoint, such as refresh tokens without a store for them. It must not block.
    ///
    /// Default: not known. The warning then comes at the first request of each client.
    fn all_clients(&self) -> Option<Vec<Client>> {
        None
    }
}

impl<R: ClientRegistry + ?Sized> ClientRegistry for Arc<R> {
    fn find<'s, 'i, 'f>(&'s self, client_id: &'i str) -> Answering<'f, Option<Client>>
    where
        's: 'f,
        'i: 'f,
        Self: 'f,
    {
        (**self).find(client_id)
    }

    fn find_at_once<'a>(&'a self, client_id: &'a str) -> MaybeFuture<'a, Result<Option<Client>, BackendError>> {
        (**self).find_at_once(client_id)
    }

    fn allows_origin<'s, 'o, 'f>(&'s self, origin: &'o str) -> Answering<'f, bool>
    where
        's: 'f,
        'o: 'f,
        Self: 'f,
    {
        (**self).allows_origin(origin)
    }

    fn all_clients(&self) -> Option<Vec<Client>> {
        (**self).all_clients()
    }
}

/// A [`ClientRegistry`] from a closure; see [`find_client_fn`].
#[derive(Clone, Copy)]
pub struct FindClientFn<F>(F);

/// A [`ClientRegistry`] from a closure over the client's id that answers a future. What it captures is cloned for each call, as
/// [`verify_fn`](crate::verify_fn) shows.
///
/// ```
/// use tower_password_grant::{find_client_fn, Client};
///
/// let registry = find_client_fn(|id: String| async move {
///     let cli = Client::public("cli").allow_password_grant();
///     let cli = cli.scopes("read").default_scope("read").build()?;
///     Ok((id == "cli").then_some(cli))
/// });
/// ```
pub fn find_client_fn<F, Fut>(find: F) -> FindClientFn<F>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Client>, BackendError>> + Send + 'static,
{
    FindClientFn(find)
}

impl<F, Fut> ClientRegistry for FindClientFn<F>
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Client>, BackendError>> + Send + 'static,
{
    fn find<'s, 'i, 'f>(&'s self, client_id: &'i str) -> Answering<'f, Option<Client>>
    where
        's: 'f,
        'i: 'f,
        Self: 'f,
    {
        Box::pin((self.0)(client_id.to_owned()))
    }
}

impl<F> fmt::Debug for FindClientFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FindClientFn")
    }
}
