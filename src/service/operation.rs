use std::sync::Arc;

use super::builder::Builder;
use super::danger::Danger;
use crate::boundary::audit::AuditSink;
use crate::boundary::clock::Clock;

/// What operators see, and the clocks. See [operating](crate::manual::operating).
impl<C, V, I> Builder<C, V, I> {
    /// Takes an event for every answer of the endpoints; [`AuditSink`] has an example. Default: none; `tracing` events are
    /// independent of it.
    pub fn audit(mut self, sink: impl AuditSink) -> Self {
        self.options.audit = Some(Box::new(sink));
        self
    }

    /// Notes who logs in how, beside [`audit`](Self::audit): takes a [`UsageLedger`](crate::usage::UsageLedger), or a clone of
    /// one. A sink of your own that hands its events on to one gets those of issued tokens alone; where nothing else listens, they have
    /// neither the digest of the account nor the time that the answer took. Default: none.
    pub fn usage(mut self, ledger: impl AuditSink) -> Self {
        self.options.usage = Some(Box::new(ledger));
        self
    }

    /// The clocks, of the endpoint and of all its parts that were given none: see [`Clock`]. Default: the operating
    /// system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.clock = Some(Arc::new(clock));
        self
    }
}

/// What weakens the endpoint, apart from everything else.
impl<C, V, I> Builder<C, V, I> {
    /// Choices that weaken the endpoint: each of [`Danger`] names the attack that it opens. Default: none.
    pub fn danger(mut self, choose: impl FnOnce(Danger) -> Danger) -> Self {
        self.options.danger = choose(self.options.danger);
        self
    }
}
