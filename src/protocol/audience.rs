//! Audiences: the resource servers that tokens are for (RFC 7519 section 4.1.3).

use std::fmt;
use std::sync::Arc;

/// The parameter by which a login asks for one.
pub(crate) const PARAMETER: &str = "audience";

/// Whether a resource server can be named so.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// One resource server that a client may ask tokens for. It is kept as the list that their records have, behind a thin pointer,
/// because each login and each grant has room for one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Audience(Arc<[String; 1]>);

impl Audience {
    /// The resource server of this name, if there can be one.
    pub(crate) fn new(name: &str) -> Option<Self> {
        is_name(name).then(|| Self(Arc::new([name.to_owned()])))
    }

    pub(crate) fn as_str(&self) -> &str {
        let [name] = &*self.0;
        name
    }

    /// What stands in the records.
    pub(crate) fn to_list(&self) -> Arc<[String]> {
        Arc::clone(&self.0) as Arc<[String]>
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audience({:?})", self.as_str())
    }
}
