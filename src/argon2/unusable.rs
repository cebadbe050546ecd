//! A stored hash that no password can be compared with.

/// Why a stored hash cannot be compared with a password: what a [`HashFormat`](super::HashFormat) of your own answers then.
///
/// The login is refused like one with a wrong password, at the cost of an unknown user; the reason in audit and metrics is
/// [`UnusableHash`](crate::audit::Reason::UnusableHash), and an event warns with the format and this cause. Both are fixed texts,
/// so that nothing of the stored text can get into a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableHash {
    pub(super) format: &'static str,
    pub(super) cause: &'static str,
}

impl UnusableHash {
    /// The cause in a few words, for the operator: `"its salt is missing"`.
    #[must_use]
    pub const fn new(cause: &'static str) -> Self {
        Self { format: "", cause }
    }

    pub(super) const fn of(format: &'static str, cause: &'static str) -> Self {
        Self { format, cause }
    }

    /// Whether it was written so that no password is right, as Django and `shadow(5)` do.
    pub(super) fn is_meant(&self) -> bool {
        self.cause == MEANT
    }
}

/// A text that says that there is no password.
pub(super) const MEANT: &str = "it says that there is no password";
pub(super) const MALFORMED: &str = "the text is malformed, or cut off by a column that is too short";
pub(super) const UNKNOWN: &str = "nothing here reads such a text: give the verifier a `HashFormat` for it";
pub(super) const NOT_READ: &str = "this format is not read here: give the verifier a `HashFormat` for it";
pub(super) const ABOVE: &str = "its cost is above the limit: raise `max_stored_cost`, if the server has the memory";
