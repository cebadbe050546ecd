use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::boundary::document::PublicDocument;
use crate::conductor::endpoint::{Answer, Endpoint};
use crate::conductor::purpose::Purpose;

/// What is answered at which path. Paths are compared byte by byte: no decoding, no case folding, no trailing slash.
pub(crate) struct Mount {
    pub(crate) token_path: String,
    pub(crate) endpoint: Arc<Endpoint>,
    /// The other paths.
    pub(crate) others: Vec<(String, Served)>,
}

/// What is served at another path than the token endpoint's.
pub(crate) enum Served {
    Document(Arc<dyn PublicDocument>),
    Endpoint(Purpose),
}

impl Mount {
    #[inline]
    pub(super) fn is_token_path(&self, path: &str) -> bool {
        self.token_path == path
    }

    /// Whether requests for this path go to the inner service.
    #[inline]
    pub(super) fn is_passing(&self, path: &str) -> bool {
        !self.is_token_path(path) && (self.others.is_empty() || self.others.iter().all(|(own, _)| own != path))
    }

    fn served(&self, path: &str) -> Option<&Served> {
        if self.others.is_empty() {
            return None;
        }
        self.others.iter().find(|(own, _)| own == path).map(|(_, served)| served)
    }

    /// Which endpoint answers at a path that does not pass and has no document.
    pub(super) fn purpose_of(&self, path: &str) -> Purpose {
        match self.served(path) {
            Some(Served::Endpoint(purpose)) => *purpose,
            _ => Purpose::Token,
        }
    }

    /// The endpoint beside the token endpoint that answers at a path.
    pub(super) fn other_endpoint(&self, path: &str) -> Option<Purpose> {
        match self.served(path)? {
            Served::Endpoint(purpose) => Some(*purpose),
            Served::Document(_) => None,
        }
    }

    /// The answer to a request for a public document.
    pub(super) fn document(&self, path: &str, method: &Method) -> Option<Answer> {
        let Served::Document(document) = self.served(path)? else { return None };
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
    let body = document.body();
    if body.is_empty() {
        // There is nothing of that type.
        headers.remove(CONTENT_TYPE);
    }
    if method == Method::HEAD {
        // Else the server would tell the length of what is sent.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    } else {
        *response.body_mut() = body;
    }
    response
}
