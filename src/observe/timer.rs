//! A time that counts from the first wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// None before the first wait, so that what is ready at once pays nothing for it. An alias: each call of a part drops one, and
/// a type of its own is dropped by a call.
pub(crate) type Timer = Option<Pin<Box<Sleep>>>;

/// Ready when so much time has passed since the first call with this timer.
pub(crate) fn passed(timer: &mut Timer, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
    timer.get_or_insert_with(|| Box::pin(sleep(limit))).as_mut().poll(cx)
}
