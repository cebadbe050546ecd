//! A grant of an application that says how its users were authenticated.

use async_trait::async_trait;
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::token::AuthenticationMethods;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{BackendError, MaybeFuture, Subject, Verdict};

pub const VOUCHED: &str = "urn:x:vouched";

/// Says it in the words that stores keep, or `unknown`.
pub struct Vouched;

#[async_trait]
impl ExtensionGrant for Vouched {
    fn grant_type(&self) -> &str {
        VOUCHED
    }

    fn required_fields(&self) -> &[&str] {
        &["methods"]
    }

    fn account_key<'a>(
        &'a self,
        _: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        let methods = match request.field("methods") {
            None | Some("unknown") => AuthenticationMethods::NONE,
            Some(names) => names.parse().map_err(BackendError::fault)?,
        };
        Ok(Verdict::granted(Subject::new("user-alice").with_credential_version("1")).with_methods(methods))
    }
}

/// A login of alice by these methods.
pub fn by(methods: &str) -> String {
    format!("grant_type={VOUCHED}&methods={methods}")
}
