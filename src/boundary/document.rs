//! Documents that anyone may read, served beside the token endpoint.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

/// A public document at a fixed path of the layer, such as a JWKS: answered to `GET` and `HEAD`, readable from any
/// origin, cacheable for a while.
pub trait PublicDocument: Send + Sync + 'static {
    /// The `Content-Type`.
    fn content_type(&self) -> HeaderValue;

    /// The document as it is now.
    fn body(&self) -> Bytes;

    /// How long it may be cached, in whole seconds.
    fn max_age(&self) -> Duration;
}
