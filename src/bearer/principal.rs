use std::ops::Deref;

use http::Request;
use http::header::AUTHORIZATION;

use crate::protocol::token::record::AccessTokenRecord;

/// The caller, as the [`BearerGuard`](super::BearerGuard) found out: what the access token of this request stands for.
/// It lies in the extensions of the request; cloning is cheap.
///
/// No header of the client's can put one there, and one that was there before is removed.
///
/// ```
/// use axum::Extension;
/// use tower_password_grant::bearer::Principal;
///
/// // In axum:
/// async fn me(Extension(caller): Extension<Principal>) -> String {
///     format!("{} by {}", caller.subject_id(), caller.client())
/// }
///
/// // In tonic:
/// fn subject<T>(request: &tonic::Request<T>) -> Result<String, tonic::Status> {
///     let caller = request.extensions().get::<Principal>();
///     let caller = caller.ok_or_else(|| tonic::Status::unauthenticated("no principal"))?;
///     Ok(caller.subject_id().to_owned())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Principal(AccessTokenRecord);

impl Principal {
    /// A principal without a token: for the tests of your own handlers, which read it from the extensions.
    #[must_use]
    pub fn new(record: AccessTokenRecord) -> Self {
        Self(record)
    }

    /// What the token stands for.
    #[must_use]
    pub fn record(&self) -> &AccessTokenRecord {
        &self.0
    }
}

impl Deref for Principal {
    type Target = AccessTokenRecord;

    fn deref(&self) -> &AccessTokenRecord {
        &self.0
    }
}

/// Says in a request that passes who is calling, and nobody else. Printed, the request shows no token.
pub(super) fn mark<B>(request: &mut Request<B>, principal: Option<Principal>) {
    match principal {
        Some(principal) => drop(request.extensions_mut().insert(principal)),
        // Another layer put it there, and did not check this token.
        None => drop(request.extensions_mut().remove::<Principal>()),
    }
    if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
}
