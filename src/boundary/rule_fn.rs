//! Login rules from closures.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::boundary::backend::BackendError;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::{Asked, LoginRule};
use crate::boundary::maybe::Answering;
use crate::boundary::put_down::put_down;
use crate::boundary::sync::Mutex;
use crate::protocol::rules::ruling::Ruling;

/// A [`LoginRule`] from a closure; see [`rule_fn`].
pub struct RuleFn<F, Fut> {
    name: Cow<'static, str>,
    apply: F,
    /// A place that is empty, for the next future.
    place: Mutex<Option<Pin<Box<Place<Fut>>>>>,
}

pin_project! {
    /// A place on the heap for the futures of a closure, one after the other. Most are over when they were polled once, so few
    /// logins need a place of their own.
    struct Place<Fut> {
        #[pin]
        future: Option<Fut>,
    }

    impl<Fut> PinnedDrop for Place<Fut> {
        fn drop(this: Pin<&mut Self>) {
            this.clear();
        }
    }
}

impl<Fut> Place<Fut> {
    const fn new() -> Self {
        Self { future: None }
    }

    fn set(self: Pin<&mut Self>, future: Fut) {
        self.project().future.set(Some(future));
    }

    #[inline]
    fn clear(self: Pin<&mut Self>) {
        put_down(|| self.project().future.set(None));
    }
}

impl<Fut: Future> Future for Place<Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        self.project().future.as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))
    }
}

impl<F, Fut> RuleFn<F, Fut> {
    /// The place that is kept, unless another login has it just now.
    fn take_place(&self) -> Pin<Box<Place<Fut>>> {
        let kept = self.place.try_lock().ok().and_then(|mut kept| kept.take());
        kept.unwrap_or_else(|| Box::pin(Place::new()))
    }

    fn keep(&self, place: Pin<Box<Place<Fut>>>) {
        if let Ok(mut kept) = self.place.try_lock() {
            *kept = Some(place);
        }
    }
}

/// A [`LoginRule`] from its name and a closure that answers a future. One that waits for nothing is cheaper by
/// [`rule_at_once_fn`](crate::rules::rule_at_once_fn).
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
///
/// let rule = rule_fn("short on the road", |login: LoginEvent| async move {
///     let is_at_home = login.address().is_some_and(|address| address.is_loopback());
///     Ok(match is_at_home {
///         true => Ruling::proceed(),
///         false => Ruling::proceed().shorten_lifetime(Duration::from_secs(300))?,
///     })
/// });
/// # let _ = rule;
/// ```
pub fn rule_fn<F, Fut>(name: impl Into<Cow<'static, str>>, apply: F) -> RuleFn<F, Fut>
where
    F: Fn(LoginEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Ruling, BackendError>> + Send + 'static,
{
    RuleFn { name: name.into(), apply, place: Mutex::new(None) }
}

impl<F, Fut> LoginRule for RuleFn<F, Fut>
where
    F: Fn(LoginEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Ruling, BackendError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn apply<'s, 'f>(&'s self, login: LoginEvent) -> Answering<'f, Ruling>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin((self.apply)(login))
    }

    fn ask(&self, login: &LoginEvent, cx: &mut Context<'_>) -> Asked<'_> {
        let mut place = self.take_place();
        place.as_mut().set((self.apply)(login.clone()));
        match place.as_mut().poll(cx) {
            Poll::Pending => Asked::begun(place),
            Poll::Ready(answer) => {
                place.as_mut().clear();
                self.keep(place);
                Asked::at_once(answer)
            }
        }
    }
}

impl<F: Clone, Fut> Clone for RuleFn<F, Fut> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), apply: self.apply.clone(), place: Mutex::new(None) }
    }
}

impl<F, Fut> fmt::Debug for RuleFn<F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuleFn").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;
    use std::sync::Arc;

    use super::*;

    /// Panics where it is dropped.
    struct Loud(#[allow(dead_code, reason = "it is counted")] Arc<()>);

    impl Drop for Loud {
        fn drop(&mut self) {
            assert_eq!(1, 2, "dropped");
        }
    }

    #[test]
    fn a_place_is_empty_after_each_login_and_used_again_but_by_one_login_at_a_time() {
        let rule = RuleFn { name: "rule".into(), apply: (), place: Mutex::new(None) };
        let (mut place, held) = (rule.take_place(), Arc::new(()));
        let first = ptr::from_ref(&*place);
        for _ in 0..2 {
            place.as_mut().set(Loud(Arc::clone(&held)));
            assert_eq!(Arc::strong_count(&held), 2);
            place.as_mut().clear();
            assert_eq!(Arc::strong_count(&held), 1);
        }
        rule.keep(place);
        let [again, beside] = [rule.take_place(), rule.take_place()];
        assert_eq!(ptr::from_ref(&*again), first);
        assert_ne!(ptr::from_ref(&*beside), first);
    }

    #[test]
    fn a_future_that_is_cut_off_is_dropped_with_its_place_and_harms_nobody() {
        let held = Arc::new(());
        let mut place = Box::pin(Place::new());
        place.as_mut().set(Loud(Arc::clone(&held)));
        drop(place);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
