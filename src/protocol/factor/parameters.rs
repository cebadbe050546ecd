//! The parameters of second factors. Only their own requests know them: elsewhere they are fields like any other, but that a
//! client authentication method never sees those that are secrets. So what reads one asks [`Form::single`](crate::protocol::wire::form::Form::single).

/// An authenticator, as the path of one has it.
pub(crate) const ID: &str = "id";
/// What is to be enrolled.
pub(crate) const AUTHENTICATOR_TYPES: &str = "authenticator_types";
/// By which channel, if it is out of band.
pub(crate) const OOB_CHANNELS: &str = "oob_channels";
/// Where a code is sent or called to.
pub(crate) const PHONE_NUMBER: &str = "phone_number";
/// Where a code is sent to.
pub(crate) const EMAIL: &str = "email";

/// The kinds of challenge that a client can show.
pub(crate) const CHALLENGE_TYPE: &str = "challenge_type";
/// The authenticator to be challenged.
pub(crate) const AUTHENTICATOR_ID: &str = "authenticator_id";
/// By which channel.
pub(crate) const OOB_CHANNEL: &str = "oob_channel";

/// The login that is to be finished.
pub(crate) const MFA_TOKEN: &str = "mfa_token";
/// A code of an authenticator app.
pub(crate) const OTP: &str = "otp";
/// What was sent, or asked on another device.
pub(crate) const OOB_CODE: &str = "oob_code";
/// The code that the user got and types.
pub(crate) const BINDING_CODE: &str = "binding_code";
/// A recovery code.
pub(crate) const RECOVERY_CODE: &str = "recovery_code";

/// All of them: what proves a user, and is shown to no authentication method of a client.
pub(crate) const SECRETS: [&str; 5] = [MFA_TOKEN, OTP, OOB_CODE, BINDING_CODE, RECOVERY_CODE];
