use std::fmt;
use std::task::Poll;

use bytes::Bytes;
use http::Response;

use crate::boundary::body::ResponseBody;

/// The body of a layer's answers, made of that of the inner service `B`. Implemented by [`EnclosedBody`] and [`InnerBody`], and by
/// nothing else.
pub trait AnswerBody<B>: sealed::Sealed {
    /// The body of every response.
    type Body;

    /// The response of the inner service, as it was polled: what stays as it is is not taken apart, which would move it.
    #[doc(hidden)]
    fn inner<E>(polled: Poll<Result<Response<B>, E>>) -> Poll<Result<Response<Self::Body>, E>>;

    /// An answer of the endpoint.
    #[doc(hidden)]
    fn own(&self, bytes: Bytes) -> Self::Body;
}

mod sealed {
    pub trait Sealed {}
}

/// The inner service's bodies and the endpoint's own in one type, [`ResponseBody`], which fits around any service. The default.
#[derive(Clone, Copy, Debug)]
pub struct EnclosedBody(pub(super) ());

impl sealed::Sealed for EnclosedBody {}

impl<B> AnswerBody<B> for EnclosedBody {
    type Body = ResponseBody<B>;

    #[inline]
    fn inner<E>(polled: Poll<Result<Response<B>, E>>) -> Poll<Result<Response<ResponseBody<B>>, E>> {
        polled.map_ok(|response| response.map(ResponseBody::inner))
    }

    fn own(&self, bytes: Bytes) -> ResponseBody<B> {
        ResponseBody::own(bytes)
    }
}

/// The inner service's own type of body, in which the endpoint answers, too; see
/// [`PasswordGrantLayer::with_body`](crate::PasswordGrantLayer::with_body).
pub struct InnerBody<B>(pub(super) fn(Bytes) -> B);

impl<B> sealed::Sealed for InnerBody<B> {}

impl<B> AnswerBody<B> for InnerBody<B> {
    type Body = B;

    #[inline]
    fn inner<E>(polled: Poll<Result<Response<B>, E>>) -> Poll<Result<Response<B>, E>> {
        polled
    }

    fn own(&self, bytes: Bytes) -> B {
        (self.0)(bytes)
    }
}

impl<B> Clone for InnerBody<B> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<B> fmt::Debug for InnerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InnerBody")
    }
}
