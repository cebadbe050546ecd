//! What is done for an authenticated client: one file for each grant, and for each endpoint beside the token endpoint.

pub(crate) mod extension;
pub(crate) mod grants;
pub(crate) mod introspection;
mod mfa_associate;
pub(crate) mod mfa_challenge;
pub(crate) mod mfa_manage;
pub(crate) mod oob;
pub(crate) mod otp;
pub(crate) mod password;
pub(crate) mod presented;
pub(crate) mod realm;
pub(crate) mod recovery;
pub(crate) mod redemption;
pub(crate) mod refresh;
pub(crate) mod revocation;
