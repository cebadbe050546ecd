//! The framing of a signed token (RFC 7515 section 7.1), strictly: one text for one token.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::header::{Header, decode};
use super::verification_key::VerificationKey;

/// The longest token that is read, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// The longest signature, in bytes: of RSA with 8192 bits, and what the decoder wants to spare.
const MAX_SIGNATURE: usize = 1024 + 3;

/// The parts of a token. Nothing of it is known yet.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    header: &'a str,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What the header says, once that was asked for.
    read: OnceLock<Option<Header>>,
}

impl<'a> Compact<'a> {
    /// Splits the token.
    pub(super) fn split(token: &'a str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        Some(Self { header, signed, payload, signature, read: OnceLock::new() })
    }

    /// The header as it is written.
    pub(super) fn encoded_header(&self) -> &'a str {
        self.header
    }

    /// What the header says, if it fits an access token.
    pub(super) fn header(&self) -> Option<&Header> {
        self.read.get_or_init(|| Header::read(self.header)).as_ref()
    }

    /// The JSON text of the claims, if `key` signed it.
    pub(super) fn claims(&self, key: &VerificationKey) -> Option<String> {
        let mut signature = [0; MAX_SIGNATURE];
        let length = URL_SAFE_NO_PAD.decode_slice(self.signature, &mut signature).ok()?;
        let is_signed = key.verifies(self.signed.as_bytes(), signature.get(..length).unwrap_or_default());
        if is_signed { decode(self.payload) } else { None }
    }
}
