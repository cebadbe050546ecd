//! The least token endpoint that can stand before a router: a tower service written for this one purpose, without
//! traits, budgets, deadlines or telemetry. What is fast enough beside it has no fat.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tower::Service;

use super::{CLIENT, LIFETIME, PASSWORD, PATH, SCOPE, SECRET, USER, random_token};

#[derive(Clone)]
pub struct PlainEndpoint<S> {
    pub inner: S,
}

#[derive(Deserialize)]
struct TokenRequest<'a> {
    #[serde(borrow)]
    grant_type: Cow<'a, str>,
    #[serde(borrow)]
    username: Cow<'a, str>,
    #[serde(borrow)]
    password: Cow<'a, str>,
}

#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_in: u64,
    scope: &'a str,
}

impl<S> Service<Request<Body>> for PlainEndpoint<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return Box::pin(self.inner.call(request));
        }
        Box::pin(async move {
            let (status, json) = match token(request).await {
                Ok(json) => (StatusCode::OK, Bytes::from(json)),
                Err((status, json)) => (status, Bytes::from_static(json.as_bytes())),
            };
            let mut response = Response::new(Body::from(json));
            *response.status_mut() = status;
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
            Ok(response)
        })
    }
}

type Refusal = (StatusCode, &'static str);
const BAD_REQUEST: Refusal = (StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#);
const BAD_CLIENT: Refusal = (StatusCode::UNAUTHORIZED, r#"{"error":"invalid_client"}"#);
const BAD_GRANT: Refusal = (StatusCode::BAD_REQUEST, r#"{"error":"invalid_grant"}"#);
const FAULT: Refusal = (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"server_error"}"#);

async fn token(request: Request<Body>) -> Result<Vec<u8>, Refusal> {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return Err(BAD_REQUEST);
    }
    let body = Limited::new(body, 32 * 1024).collect().await.map_err(|_| BAD_REQUEST)?.to_bytes();
    let form: TokenRequest<'_> = serde_urlencoded::from_bytes(&body).map_err(|_| BAD_REQUEST)?;
    authenticate(&head.headers).ok_or(BAD_CLIENT)?;
    if form.grant_type != "password" || form.username != USER || form.password != PASSWORD {
        return Err(BAD_GRANT);
    }
    let access_token = random_token().map_err(|_| FAULT)?;
    let tokens =
        TokenResponse { access_token: &access_token, token_type: "Bearer", expires_in: LIFETIME, scope: SCOPE };
    serde_json::to_vec(&tokens).map_err(|_| FAULT)
}

fn authenticate(headers: &HeaderMap) -> Option<()> {
    let value = headers.get(AUTHORIZATION)?.as_bytes().strip_prefix(b"Basic ")?;
    let mut pair = [0; 256];
    let length = STANDARD.decode_slice(value, &mut pair).ok()?;
    let pair = pair.get(..length)?;
    let colon = pair.iter().position(|b| *b == b':')?;
    let (id, secret) = (pair.get(..colon)?, pair.get(colon.checked_add(1)?..)?);
    (id == CLIENT.as_bytes() && bool::from(secret.ct_eq(SECRET.as_bytes()))).then_some(())
}
