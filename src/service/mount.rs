use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};

use super::routes::Routes;
use crate::boundary::document::PublicDocument;
use crate::conductor::endpoint::Endpoint;
use crate::protocol::wire::methods::Methods;
use crate::protocol::wire::published::{self, Published};

/// What a layer puts in front of its inner service.
pub(crate) struct Mount {
    pub(crate) routes: Routes,
    pub(crate) endpoint: Arc<Endpoint>,
}

/// The answer to a request for a public document. That is the application's code, and its panics are contained like those of the
/// other parts.
pub(super) fn document(document: &dyn PublicDocument, methods: Methods, method: &Method) -> Response<Bytes> {
    let response = catch_unwind(AssertUnwindSafe(|| {
        published::document(methods, method, || Published {
            content_type: document.content_type(),
            body: document.body(),
            max_age: document.max_age(),
        })
    }));
    response.unwrap_or_else(|_| published::broken())
}
