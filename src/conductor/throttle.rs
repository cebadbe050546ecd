//! The ceilings on requests: of an address, and of a client that asks about tokens.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::trail::{Caller, Trail};
use crate::boundary::clock::Clock;
use crate::boundary::limiter::Limit;
use crate::limiter::ceiling::introspections::IntrospectionCeiling;
use crate::limiter::ceiling::requests::RequestCeiling;
use crate::protocol::client::registered::Client;
use crate::protocol::wire::error::{Reason, TokenError};

/// The two ceilings, and the clock that they go by.
pub(crate) struct Throttle {
    requests: RequestCeiling,
    introspections: IntrospectionCeiling,
    clock: Arc<dyn Clock>,
}

impl Throttle {
    pub(crate) fn new(requests: RequestCeiling, introspections: IntrospectionCeiling, clock: Arc<dyn Clock>) -> Self {
        Self { requests, introspections, clock }
    }

    /// Counts a request on its address; `Err` with the time to wait if it is too many.
    #[inline]
    pub(super) fn count(&self, caller: &mut Caller) -> Result<(), Duration> {
        let Some(address) = caller.address.filter(|_| !caller.is_exempt) else { return Ok(()) };
        let now = self.clock.elapsed();
        caller.elapsed = Some(now);
        match self.requests.count(address, now) {
            Ok(counted) => caller.counted = counted,
            Err(_) if self.requests.is_monitor() => caller.monitored = Some(Limit::Requests),
            Err(wait) => {
                caller.limit = Some(Limit::Requests);
                return Err(wait);
            }
        }
        Ok(())
    }

    /// A client that may ask about tokens is no stranger: what it asks counts on its own ceiling instead of that of its
    /// address. Else a sender of made-up tokens would use that one up.
    pub(super) fn count_introspection(&self, client: &Client, trail: &mut Trail) -> Result<(), TokenError> {
        if client.is_public() || !client.may_introspect() {
            return Ok(());
        }
        let now = self.clock.elapsed();
        if let Some(address) = trail.caller.address {
            self.requests.give_back(address, mem::take(&mut trail.caller.counted), now);
        }
        match self.introspections.count(client.id(), now) {
            Ok(()) => {}
            Err(_) if self.introspections.is_monitor() => trail.caller.monitored = Some(Limit::Introspections),
            Err(wait) => {
                trail.caller.limit = Some(Limit::Introspections);
                return Err(TokenError::new(Reason::IntrospectionsThrottled).with_retry_after(wait));
            }
        }
        Ok(())
    }
}
