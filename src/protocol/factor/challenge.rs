//! What a login with a factor open says of itself. It is sealed and given to the client, and no store keeps it.

use std::time::{Duration, SystemTime};

use crate::protocol::token::family::FamilyId;
use crate::protocol::token::methods::AuthenticationMethods;

use super::authenticator::{AuthenticatorId, Channel};

/// How long a login with a factor open can be finished.
pub(crate) const CHALLENGE: Duration = Duration::from_secs(600);

/// How long a code that was sent can be typed.
pub(crate) const OOB_CODE: Duration = Duration::from_secs(300);

/// What a `mfa_token` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// 128 random bits: what is spent once.
    pub(crate) id: [u8; 16],
    pub(crate) client: String,
    pub(crate) realm: Option<String>,
    pub(crate) subject: String,
    pub(crate) credential_version: Option<String>,
    pub(crate) scope: String,
    pub(crate) audience: Option<String>,
    /// Of the request that began the login.
    pub(crate) grant_type: String,
    pub(crate) methods: AuthenticationMethods,
    /// When the password was right, or the tokens of the family were given.
    pub(crate) authenticated_at: SystemTime,
    pub(crate) expires: SystemTime,
    /// The reservation of the attempt, which is settled when the login is finished.
    pub(crate) attempt: Option<[u8; 32]>,
    /// The family that ends when the login is finished, because it was begun to refresh that one.
    pub(crate) family: Option<FamilyId>,
}

/// What an `oob_code` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBand {
    /// 128 random bits: what a channel without a code is asked about.
    pub(crate) id: [u8; 16],
    /// The challenge that it belongs to.
    pub(crate) challenge: [u8; 16],
    pub(crate) authenticator: AuthenticatorId,
    pub(crate) channel: Channel,
    /// The code that the user types, if the channel has one.
    pub(crate) code: Option<[u8; 6]>,
    pub(crate) expires: SystemTime,
}
