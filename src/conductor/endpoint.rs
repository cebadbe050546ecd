//! The token endpoint: the way of a request from its judged head to its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::answer::Answers;
use super::door::Head;
use super::exchange::Exchange;
use super::gate::{Gate, Next};
use super::purpose::Purpose;
use super::trail::{Caller, Trail};
use crate::boundary::account::AccountKey;
use crate::boundary::audit::AccountDigest;
use crate::observe::contain::Contain;
use crate::protocol::wire::form::{Form, Known};

/// Everything that `build()` put together.
pub(crate) struct Endpoint {
    exchange: Exchange,
    answers: Answers,
    /// Of a whole request.
    deadline: Option<Duration>,
}

pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl Endpoint {
    pub(crate) fn new(exchange: Exchange, answers: Answers, deadline: Option<Duration>) -> Self {
        Self { exchange, answers, deadline }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.exchange.gate
    }

    /// The digest under which events name an account.
    pub(crate) fn account_digest(&self, realm: Option<&str>, account: &AccountKey<'_>) -> AccountDigest {
        self.answers.account_digest(realm, account)
    }

    /// Whether the parsed body asks for a grant type that is not served here.
    pub(crate) fn is_foreign_grant(&self, form: &Form) -> bool {
        form.get(Known::GrantType).is_some_and(|grant| self.exchange.grants.named(grant).is_none())
    }

    /// Answers a request whose head, and body if it needs one, were read.
    pub(crate) fn answer(self: Arc<Self>, purpose: Purpose, head: Head, caller: Caller, next: Next) -> Answer {
        // The place is there first, so that the future is made in it: else all of it would be copied.
        let place = Box::new_uninit();
        let answering = Box::write(place, self.answering(purpose, head, caller, next));
        Box::into_pin(answering)
    }

    /// A block, because an async function would hold its arguments twice.
    #[inline(always)]
    fn answering(
        self: Arc<Self>,
        purpose: Purpose,
        mut head: Head,
        caller: Caller,
        mut next: Next,
    ) -> impl Future<Output = Response<Bytes>> + Send + 'static {
        let mut trail = Trail::new(purpose, caller, self.answers.starts());
        async move {
            // A named future would be copied into this one a second time.
            let outcome = Contain::new(self.deadline, self.exchange.climb(&mut head, &mut next, &mut trail)).await;
            self.answers.write(head, &trail, outcome)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most bytes that common allocators serve from the list of the thread, which costs a tenth of the longer way.
    const FAST: usize = 1032;

    fn size<F>(_: fn(Arc<Endpoint>, Purpose, Head, Caller, Next) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_future_of_an_answer_is_small_enough_for_the_fast_way_of_an_allocator() {
        let size = size(Endpoint::answering);
        assert!(size <= FAST, "{size} bytes");
    }
}
