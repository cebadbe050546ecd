//! What the host's other layers put into a request.

use std::ops::Deref;
use std::sync::Arc;

use http::Extensions;

/// What the host's other layers put into a request. It is shared only where login rules look at it, too.
#[derive(Clone, Debug)]
pub(crate) enum HostExtensions {
    Own(Extensions),
    Shared(Arc<Extensions>),
}

impl HostExtensions {
    /// What the rules get of it.
    pub(crate) fn shared(&self) -> Option<Arc<Extensions>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(shared) => Some(Arc::clone(shared)),
        }
    }
}

impl Deref for HostExtensions {
    type Target = Extensions;

    fn deref(&self) -> &Extensions {
        match self {
            Self::Own(own) => own,
            Self::Shared(shared) => shared,
        }
    }
}
