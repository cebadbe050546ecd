//! Deliveries of codes: each was charged.

use std::future::Future;
use std::pin::Pin;

use super::charge::{Charge, OfDelivery};
use crate::boundary::backend::BackendError;
use crate::boundary::factors::delivery::{CodeDelivery, Delivery};

/// Has the application deliver a code, for a charge, which stays: a message that was sent is paid for, whatever comes of it.
pub(crate) fn deliver<'a>(
    way: &'a dyn CodeDelivery,
    delivery: Delivery<'a>,
    charge: Charge<OfDelivery>,
) -> Pin<Box<dyn Future<Output = Result<(), BackendError>> + Send + 'a>> {
    drop(charge);
    way.deliver(delivery)
}
