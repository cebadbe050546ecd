use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::key_set::KeySet;
use crate::boundary::document::PublicDocument;

/// The JWKS document (RFC 7517 section 5) of an issuer: public keys only, always as they are now.
///
/// Give it to [`Builder::document`](crate::Builder::document), usually at `/.well-known/jwks.json`.
#[derive(Clone, Debug)]
pub struct Jwks {
    keys: KeySet,
    max_age: Duration,
}

impl Jwks {
    pub(super) fn new(keys: KeySet) -> Self {
        Self { keys, max_age: Duration::from_secs(300) }
    }

    /// How long verifiers may cache the document, in whole seconds. Default: 5 minutes. A new key should be published
    /// at least that long before it signs; an old one may be believed that long after it was retired.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}

impl PublicDocument for Jwks {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/jwk-set+json")
    }

    fn body(&self) -> Bytes {
        self.keys.document()
    }

    fn max_age(&self) -> Duration {
        self.max_age
    }
}
