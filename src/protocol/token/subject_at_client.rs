//! Whose logins are bounded together.

use crate::protocol::client::registered::ClientId;

/// A subject at a client: how many logins it has there is bounded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SubjectAtClient<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) client: &'a ClientId,
}
