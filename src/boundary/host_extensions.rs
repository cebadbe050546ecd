//! What the host's other layers put into a request.

use std::ops::Deref;

use http::Extensions;

use super::login_event::EventDraft;

/// What the host's other layers put into a request. It is shared only where login rules look at it, too.
#[derive(Clone)]
pub(crate) enum HostExtensions {
    Own(Extensions),
    Shared(EventDraft),
}

impl Deref for HostExtensions {
    type Target = Extensions;

    fn deref(&self) -> &Extensions {
        match self {
            Self::Own(own) => own,
            Self::Shared(draft) => draft.extensions(),
        }
    }
}
