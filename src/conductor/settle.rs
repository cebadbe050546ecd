//! A second try to settle a charge: a store that is away for half a second must not leave a right login charged.

use std::time::Duration;

use super::endpoint::Endpoint;
use crate::boundary::backend::BackendError;
use crate::boundary::ladder::charge::Unsettled;
use crate::boundary::limiter::BegunLock;
use crate::observe::contain::Contain;
use crate::observe::patience::Overdue;
use crate::observe::telemetry;

/// The pause before it: longer than a failover or a lock of the database commonly takes, shorter than people notice.
const PAUSE: Duration = Duration::from_millis(600);
/// How long the second try may take. The answer is known and waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Settles a charge that comes back once more, after a pause. There is no third try.
    pub(super) async fn settle_again(&self, again: Option<Unsettled>, first: BackendError) -> Option<BegunLock> {
        // A call that was cut off may still be at work.
        let Some(again) = again.filter(|_| !Overdue::cut(&first)) else {
            telemetry::settle_failed(&first);
            return None;
        };
        // All of it within a small part of the request's deadline. Without a deadline no timer is promised.
        let part = self.deadline.map(|deadline| deadline.checked_div(8).unwrap_or_default());
        if let Some(part) = part {
            tokio::time::sleep(PAUSE.min(part)).await;
        }
        let patience = part.map(|part| PATIENCE.min(part));
        let settling = async { again.settle(&*self.limiter).await };
        let second = Contain::new(patience, settling).await;
        second.inspect_err(telemetry::settle_failed).unwrap_or_default()
    }
}
