//! Members of a JSON answer that the crate does not write itself (RFC 6749 section 8.2).

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::charset::is_member_name;
use crate::protocol::explained::explained;

/// Members that the crate writes itself, now or in a later version.
const RESERVED: [&str; 9] = [
    "access_token",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "id_token",
    "refresh_token",
    "scope",
    "token_type",
];

/// Names with their values, each name once and none of the crate's own.
#[derive(Default)]
pub(crate) struct Members(Vec<(Cow<'static, str>, Value)>);

impl Members {
    /// Adds a member. A second one of the same name replaces the first.
    pub(crate) fn set(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), MemberError> {
        let name = name.into();
        check_name(&name)?;
        let value = serde_json::to_value(value).map_err(|_| MemberError::NotJson)?;
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

/// Whether a member may have this name. Some clients read names without regard to case.
pub(crate) fn check_name(name: &str) -> Result<(), MemberError> {
    if RESERVED.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(MemberError::Reserved);
    }
    if is_member_name(name) { Ok(()) } else { Err(MemberError::Name) }
}

impl fmt::Debug for Members {
    /// Without the values: one may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// A response member or token type that RFC 6749 does not allow.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// The name belongs to RFC 6749 or to OpenID Connect (`id_token`), in whatever case.
    #[error("this member is written by the endpoint itself")]
    Reserved,
    /// A name with other characters than letters, digits and `-._`.
    #[error("a member name consists of letters, digits and `-._`")]
    Name,
    /// A token type that is neither a name nor an absolute URI.
    #[error("a token type is a name of letters, digits and `-._`, or an absolute URI")]
    TokenType,
    /// A value that is no JSON, such as a map whose keys are no texts.
    #[error("a member's value must be one that JSON can hold: a text, a number, a list, a struct or a map of texts")]
    NotJson,
}

impl fmt::Debug for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
