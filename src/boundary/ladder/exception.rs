//! Exceptions from the end of a client: the application was asked.

use std::future::Future;
use std::time::SystemTime;

use super::asking::Asking;
use crate::boundary::backend::BackendError;
use crate::boundary::exceptions::{SunsetExceptions, WhoIsOut};

/// Until when the user of a login is excepted, as a look-up has found.
pub(crate) struct LookedUp(pub(super) Option<SystemTime>);

impl LookedUp {
    /// Whether the user is excepted at this time.
    pub(crate) fn excepts_at(&self, now: SystemTime) -> bool {
        self.0.is_some_and(|until| now < until)
    }
}

/// Has a look-up find out until when the user of a login is excepted: the only maker of what it found.
pub(crate) fn look_up<'a>(
    exceptions: &'a dyn SunsetExceptions,
    asked: WhoIsOut<'a>,
) -> impl Future<Output = Result<LookedUp, BackendError>> + Send + Unpin + 'a {
    Asking::new(exceptions.excepted_until(asked), |found: Result<Option<SystemTime>, BackendError>| found.map(LookedUp))
}
