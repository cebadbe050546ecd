//! The framing of a signed token (RFC 7515 section 7.1), strictly: one text for one token.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::SigningAlgorithm;
use super::verification_key::VerificationKey;
use crate::protocol::wire::json_object::JsonObject;

/// The longest token that is read, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;
/// The longest signature, in bytes: of RSA with 8192 bits, and what the decoder wants to spare.
const MAX_SIGNATURE: usize = 1024 + 3;

/// Header parameters that bring a key along, change what is signed, or must be understood.
const REFUSED: [&str; 8] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"];

/// A token whose header fits an access token. Nothing else of it is known yet.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
    algorithm: SigningAlgorithm,
    kid: Option<String>,
}

impl<'a> Compact<'a> {
    /// Splits the token and judges its header.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        let header = decode(header)?;
        let mut header = JsonObject::read(&header).ok()?;
        let kind = header.take_text("typ").ok()??;
        if !["at+jwt", "application/at+jwt"].iter().any(|own| own.eq_ignore_ascii_case(&kind)) {
            return None;
        }
        let algorithm = SigningAlgorithm::from_name(&header.take_text("alg").ok()??)?;
        let kid = header.take_text("kid").ok()?.map(Cow::into_owned);
        if REFUSED.iter().any(|name| header.has(name)) || !header.is_sound() {
            return None;
        }
        Some(Self { signed, payload, signature, algorithm, kid })
    }

    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The JSON text of the claims, if `key` signed it.
    pub(super) fn claims(&self, key: &VerificationKey) -> Option<String> {
        let mut signature = [0; MAX_SIGNATURE];
        let length = URL_SAFE_NO_PAD.decode_slice(self.signature, &mut signature).ok()?;
        let is_signed = key.algorithm() == self.algorithm
            && key.verifies(self.signed.as_bytes(), signature.get(..length).unwrap_or_default());
        if is_signed { decode(self.payload) } else { None }
    }
}

/// A text in base64url without padding, and without anything in the bits that are left over.
fn decode(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}
