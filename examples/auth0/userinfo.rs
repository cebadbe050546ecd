//! `/userinfo`: what an application asks after each login.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Serialize;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_password_grant::bearer::Principal;

use super::Error;
use super::people::{Claims, Person};

#[derive(Serialize)]
struct UserInfo {
    sub: String,
    #[serde(flatten)]
    claims: Claims,
}

/// The user of the token, as far as its scope shows them (OpenID Connect Core section 5.3).
pub(crate) async fn userinfo(Extension(caller): Extension<Principal>) -> Result<impl IntoResponse, StatusCode> {
    let person = Person::find(caller.subject_id()).ok_or(StatusCode::NOT_FOUND)?;
    let shown = UserInfo { sub: caller.subject_id().to_owned(), claims: person.claims(caller.scope()) };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(shown)))
}

/// Lets the page of this origin ask, too.
pub(crate) fn cors(origin: &str) -> Result<CorsLayer, Error> {
    let headers = [header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("auth0-client")];
    Ok(CorsLayer::new().allow_origin(AllowOrigin::exact(origin.parse()?)).allow_headers(headers))
}
