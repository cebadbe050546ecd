/// The revocation endpoint (RFC 7009): where it is served, and what a revocation ends. Given to
/// [`Builder::revocation`](crate::Builder::revocation).
///
/// ```
/// use tower_password_grant::token::RevocationEndpoint;
///
/// let logout = RevocationEndpoint::at("/oauth/revoke").end_family_with_access_token();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RevocationEndpoint {
    pub(super) path: Option<String>,
    /// Revoking an access token ends its refresh token, too.
    pub(super) access_token_ends_family: bool,
}

impl RevocationEndpoint {
    /// At this path of the layer, compared byte by byte.
    ///
    /// # Errors
    /// [`build`](crate::Builder::build) refuses what is no absolute path, and the path of another endpoint or document.
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), access_token_ends_family: false }
    }

    /// At no path of the layer: a router mounts the [leaf service](crate::PasswordGrantLayer::revocation_endpoint).
    pub fn as_leaf() -> Self {
        Self { path: None, access_token_ends_family: false }
    }

    /// Ends the refresh tokens of the same login when an access token is revoked (RFC 7009 section 2.1). Default: off, because
    /// a client that gives an access token back may go on with its refresh token. They end even if the access token is one that
    /// cannot be revoked itself.
    pub fn end_family_with_access_token(mut self) -> Self {
        self.access_token_ends_family = true;
        self
    }
}
