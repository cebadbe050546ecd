use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::Method;

use crate::boundary::document::PublicDocument;
use crate::conductor::endpoint::{Answer, Endpoint};
use crate::conductor::purpose::Purpose;
use crate::protocol::methods::Methods;
use crate::protocol::published::{self, Published};

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
        let response = catch_unwind(AssertUnwindSafe(|| {
            published::document(Methods::READ, method, || Published {
                content_type: document.content_type(),
                body: document.body(),
                max_age: document.max_age(),
            })
        }));
        Some(Box::pin(std::future::ready(response.unwrap_or_else(|_| published::broken()))))
    }
}
