//! Grants of your own beside the password grant (RFC 6749 section 4.5).
//!
//! An [`ExtensionGrant`] is asked after the client was authenticated and its grant and scope were allowed. It answers with the same
//! [`Verdict`](crate::Verdict) as a verifier, and the endpoint charges, weighs and issues as for a password.

pub use crate::boundary::extension::{ExtensionGrant, ExtensionRequest};
