//! Which endpoint was asked. All share head, body, client authentication and budgets, and differ in what follows.

use crate::protocol::wire::methods::Methods;

/// The endpoints of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 7009.
    Revocation,
    /// RFC 7662.
    Introspection,
}

impl Purpose {
    /// What its path takes.
    pub(crate) fn methods(self) -> Methods {
        match self {
            Self::Token | Self::Revocation | Self::Introspection => Methods::FORM,
        }
    }
}
