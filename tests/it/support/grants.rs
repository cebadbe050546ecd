//! Grants of an application's own. The fuzz targets use them, too, so they need nothing of the other helpers.

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{BackendError, Verdict};

type Exchange = Box<dyn Fn(&ExtensionRequest) -> Result<Verdict, BackendError> + Send + Sync>;
type Account = Box<dyn for<'a> Fn(&'a ExtensionRequest) -> Option<AccountKey<'a>> + Send + Sync>;

/// A grant that guesses at no account, unless a test names one.
pub struct OwnGrant {
    name: &'static str,
    fields: Vec<&'static str>,
    begins_password_login: bool,
    account: Account,
    exchange: Exchange,
}

impl OwnGrant {
    /// A grant of this type, which asks for these fields. `exchange` decides on a request.
    pub fn new(
        name: &'static str,
        fields: &[&'static str],
        exchange: impl Fn(&ExtensionRequest) -> Result<Verdict, BackendError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            fields: fields.to_vec(),
            begins_password_login: false,
            account: Box::new(|_| None),
            exchange: Box::new(exchange),
        }
    }

    /// Guesses at this account.
    pub fn on_account(
        self,
        account: impl for<'a> Fn(&'a ExtensionRequest) -> Option<AccountKey<'a>> + Send + Sync + 'static,
    ) -> Self {
        Self { account: Box::new(account), ..self }
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
        request: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        MaybeFuture::ready(Ok((self.account)(request)))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        (self.exchange)(&request)
    }
}
