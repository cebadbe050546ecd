use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::boundary::document::PublicDocument;
use crate::conductor::endpoint::{Answer, Endpoint};

/// What is answered at which path. Paths are compared byte by byte: no decoding, no case folding, no trailing slash.
pub(crate) struct Mount {
    pub(crate) token_path: String,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) documents: Vec<(String, Arc<dyn PublicDocument>)>,
}

impl Mount {
    #[inline]
    pub(super) fn is_token_path(&self, path: &str) -> bool {
        self.token_path == path
    }

    /// Whether requests for this path go to the inner service.
    #[inline]
    pub(super) fn is_passing(&self, path: &str) -> bool {
        !self.is_token_path(path) && (self.documents.is_empty() || self.documents.iter().all(|(own, _)| own != path))
    }

    /// The answer to a request for a public document.
    pub(super) fn document(&self, path: &str, method: &Method) -> Option<Answer> {
        if self.documents.is_empty() {
            return None;
        }
        let (_, document) = self.documents.iter().find(|(own, _)| own == path)?;
        // The document is the application's code, and its panics are contained like those of the other parts.
        let response = catch_unwind(AssertUnwindSafe(|| document_response(&**document, method)));
        let response = response.unwrap_or_else(|_| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        });
        Some(Box::pin(std::future::ready(response)))
    }
}

fn document_response(document: &dyn PublicDocument, method: &Method) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let max_age = format!("public, max-age={}", document.max_age().as_secs());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, document.content_type());
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(max_age) = HeaderValue::try_from(max_age) {
        headers.insert(CACHE_CONTROL, max_age);
    }
    if method == Method::GET {
        *response.body_mut() = document.body();
    }
    response
}
