//! Grants of an application's own.

use async_trait::async_trait;
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::store::MaybeFuture;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{BackendError, Verdict};

type Exchange = Box<dyn Fn(&ExtensionRequest) -> Result<Verdict, BackendError> + Send + Sync>;

/// A grant that guesses at no account.
pub struct OwnGrant {
    name: &'static str,
    fields: Vec<&'static str>,
    begins_password_login: bool,
    exchange: Exchange,
}

impl OwnGrant {
    /// A grant of this type, which asks for these fields. `exchange` decides on a request.
    pub fn new(
        name: &'static str,
        fields: &[&'static str],
        exchange: impl Fn(&ExtensionRequest) -> Result<Verdict, BackendError> + Send + Sync + 'static,
    ) -> Self {
        Self { name, fields: fields.to_vec(), begins_password_login: false, exchange: Box::new(exchange) }
    }

    /// A password login begins by it, or not.
    pub fn begins_password_login(self, begins_password_login: bool) -> Self {
        Self { begins_password_login, ..self }
    }
}

#[async_trait]
impl ExtensionGrant for OwnGrant {
    fn grant_type(&self) -> &str {
        self.name
    }

    fn begins_password_login(&self) -> bool {
        self.begins_password_login
    }

    fn required_fields(&self) -> &[&str] {
        &self.fields
    }

    fn account_key<'a>(
        &'a self,
        _: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        (self.exchange)(&request)
    }
}
