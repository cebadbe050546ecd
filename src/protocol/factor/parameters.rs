//! The names of what the endpoints of second factors are asked.

/// An authenticator, as the path of one has it.
pub(crate) const ID: &str = "id";
/// What is to be enrolled.
pub(crate) const AUTHENTICATOR_TYPES: &str = "authenticator_types";
/// By which channel, if it is out of band.
pub(crate) const OOB_CHANNELS: &str = "oob_channels";
