//! The answers of the endpoints of second factors, as Auth0's SDKs read them.

use serde::Serialize;

use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorKind};

/// One authenticator of a list.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    authenticator_type: &'static str,
    #[serde(rename = "type")]
    requirement: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_channel: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    active: bool,
}

/// The authenticators of a user.
pub(crate) fn list(authenticators: &[Authenticator]) -> Vec<u8> {
    let listed: Vec<Listed<'_>> = authenticators
        .iter()
        .map(|authenticator| Listed {
            id: authenticator.id.as_str(),
            authenticator_type: authenticator.kind.authenticator_type(),
            requirement: authenticator.kind.requirement(),
            oob_channel: oob_channel(authenticator.kind),
            name: authenticator.name.as_deref(),
            active: authenticator.is_active,
        })
        .collect();
    write(&listed)
}

/// A new authenticator, of which some is shown this once.
#[derive(Serialize)]
pub(crate) struct Associated<'a> {
    authenticator_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    oob_channel: Option<&'static str>,
    /// Of an authenticator app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) barcode_uri: Option<&'a str>,
    /// By which the first code is redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oob_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_codes: Option<Vec<&'a str>>,
    /// Where the enrolment was begun by an access token: by which its first code is redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mfa_token: Option<&'a str>,
}

impl<'a> Associated<'a> {
    pub(crate) const fn new(kind: AuthenticatorKind) -> Self {
        Self {
            authenticator_type: kind.authenticator_type(),
            oob_channel: oob_channel(kind),
            secret: None,
            barcode_uri: None,
            oob_code: None,
            binding_method: match kind {
                AuthenticatorKind::OutOfBand(channel) if channel.has_code() => Some("prompt"),
                _ => None,
            },
            recovery_codes: None,
            mfa_token: None,
        }
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        write(self)
    }
}

const fn oob_channel(kind: AuthenticatorKind) -> Option<&'static str> {
    match kind {
        AuthenticatorKind::OutOfBand(channel) => Some(channel.as_str()),
        _ => None,
    }
}

/// Texts and flags can always be written.
fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
