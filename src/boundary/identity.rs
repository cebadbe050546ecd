//! Which store something is kept in.

use std::sync::Arc;

/// Tells stores apart: two parts with equal identities keep what they are given in the same store, so that one can keep in its own
/// step what the other would have kept in another.
///
/// A store makes one when it is opened and gives it to all its handles: open it once and clone it. Two that were opened from one
/// file have two, and a warning event (`settings cannot work together`) says so when an endpoint is built with both.
///
/// ```
/// use tower_password_grant::store::StoreIdentity;
///
/// let (one, other) = (StoreIdentity::new(), StoreIdentity::new());
/// assert!(one == one.clone() && one != other);
/// ```
#[derive(Clone, Debug, Default)]
pub struct StoreIdentity(Arc<()>);

impl StoreIdentity {
    /// An identity that nothing else has.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl PartialEq for StoreIdentity {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for StoreIdentity {}
