//! Realms: separate directories of users.

use std::sync::Arc;

/// The realm of a request, or that it has none. Chosen once, from the registration of the client; cloning is cheap.
///
/// One word wide, because the future of every request holds some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Realm(Option<Arc<Box<str>>>);

impl Realm {
    pub(crate) fn named(name: &str) -> Self {
        Self(Some(Arc::new(name.into())))
    }

    pub(crate) fn as_deref(&self) -> Option<&str> {
        self.0.as_ref().map(|name| &***name)
    }
}
