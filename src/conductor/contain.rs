//! Containing what the application's code may do: panic, or never answer.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::protocol::error::{Reason, TokenError};

/// Runs `future` until it ends, panics or `limit` has passed.
///
/// The timer starts only when the future is not ready at its first poll, so requests that are answered at once pay
/// nothing for it.
pub(crate) async fn contain<T>(
    limit: Option<Duration>,
    future: impl Future<Output = Result<T, TokenError>>,
) -> Result<T, TokenError> {
    let mut future = pin!(future);
    let mut sleep: Option<Pin<Box<tokio::time::Sleep>>> = None;
    poll_fn(|cx| {
        // The future is never polled again after a panic, so nobody sees what it left half-done.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Poll::Ready(outcome) = future.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            let Some(limit) = limit else { return Poll::Pending };
            let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            sleep.as_mut().poll(cx).map(|()| Err(TokenError::new(Reason::Deadline)))
        }));
        polled.unwrap_or_else(|_| Poll::Ready(Err(TokenError::new(Reason::Panicked))))
    })
    .await
}
