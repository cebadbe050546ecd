//! Client authentication of an application's own. The fuzz targets use it, too, so it needs nothing of the other helpers.

use async_trait::async_trait;
use http::HeaderValue;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{AuthRequest, ClientAuthMethod};
use tower_password_grant::{BackendError, Client};

/// Whether the credential is the client's.
pub type Proven<'a> = MaybeFuture<'a, Result<bool, BackendError>>;

/// A method whose two questions a test answers: which client a request says that it comes from, and whether it does.
pub struct OwnMethod<C, V> {
    name: &'static str,
    challenge: &'static str,
    claim: C,
    verify: V,
}

impl<C, V> OwnMethod<C, V>
where
    C: Fn(&AuthRequest<'_>) -> Option<String> + Send + Sync + 'static,
    V: for<'a> Fn(&'a Client, &'a AuthRequest<'a>) -> Proven<'a> + Send + Sync + 'static,
{
    pub const fn new(name: &'static str, challenge: &'static str, claim: C, verify: V) -> Self {
        Self { name, challenge, claim, verify }
    }
}

#[async_trait]
impl<C, V> ClientAuthMethod for OwnMethod<C, V>
where
    C: Fn(&AuthRequest<'_>) -> Option<String> + Send + Sync + 'static,
    V: for<'a> Fn(&'a Client, &'a AuthRequest<'a>) -> Proven<'a> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.name
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(self.challenge)
    }

    fn claim(&self, request: &AuthRequest<'_>) -> Option<String> {
        (self.claim)(request)
    }

    async fn verify(&self, client: &Client, request: &AuthRequest<'_>) -> Result<bool, BackendError> {
        (self.verify)(client, request).await
    }
}
