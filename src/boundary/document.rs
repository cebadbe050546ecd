//! Documents that anyone may read, served beside the token endpoint.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

/// A public document at a fixed path of the layer, such as a JWKS: answered to `GET` and `HEAD`, readable from any
/// origin, cacheable for a while.
///
/// # Contract
/// The methods are called on the async threads for every request: they must not block. Keep the document made.
///
/// # Security
/// Everybody may read it, pages of any origin included: put nothing into it that is not public.
///
/// # Errors
/// There are none: serve a document that cannot be made anew as it was. A panic is contained and answers 500.
pub trait PublicDocument: Send + Sync + 'static {
    /// The `Content-Type`.
    fn content_type(&self) -> HeaderValue;

    /// The document as it is now.
    fn body(&self) -> Bytes;

    /// How long it may be cached, in whole seconds.
    fn max_age(&self) -> Duration;
}

impl<D: PublicDocument + ?Sized> PublicDocument for Arc<D> {
    fn content_type(&self) -> HeaderValue {
        (**self).content_type()
    }

    fn body(&self) -> Bytes {
        (**self).body()
    }

    fn max_age(&self) -> Duration {
        (**self).max_age()
    }
}
