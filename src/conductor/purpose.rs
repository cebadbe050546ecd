//! What an endpoint is for: the same head, body, client authentication and budgets, another end.

/// The endpoints of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// RFC 6749 section 3.2.
    #[default]
    Token,
    /// RFC 7009.
    Revocation,
    /// RFC 7662.
    Introspection,
}
