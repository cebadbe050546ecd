//! The framing of a signed token (RFC 7515 section 7.1), strictly: one text for one token.

use std::borrow::Cow;
use std::sync::OnceLock;

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

/// A header that fits an access token.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: SigningAlgorithm,
    pub(super) kid: Option<String>,
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

impl Header {
    /// As this crate's issuers write it, in base64url. What is written like this fits an access token, and names this key.
    pub(super) fn write(algorithm: SigningAlgorithm, kid: &str) -> String {
        let header = serde_json::json!({ "alg": algorithm.name(), "typ": "at+jwt", "kid": kid });
        URL_SAFE_NO_PAD.encode(header.to_string())
    }

    fn read(encoded: &str) -> Option<Self> {
        let header = decode(encoded)?;
        let mut header = JsonObject::read(&header).ok()?;
        let kind = header.take_text("typ").ok()??;
        if !["at+jwt", "application/at+jwt"].iter().any(|own| own.eq_ignore_ascii_case(&kind)) {
            return None;
        }
        let algorithm = SigningAlgorithm::from_name(&header.take_text("alg").ok()??)?;
        let kid = header.take_text("kid").ok()?.map(Cow::into_owned);
        let is_refused = REFUSED.iter().any(|name| header.has(name)) || !header.is_sound();
        (!is_refused).then_some(Self { algorithm, kid })
    }
}

/// A text in base64url without padding, and without anything in the bits that are left over.
fn decode(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_that_issuers_write_is_read_as_what_it_was_written_from() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
            for kid in ["1", "a \"b\" \\ c", &"k".repeat(255)] {
                let header = Header::read(&Header::write(algorithm, kid)).unwrap();
                assert_eq!((header.algorithm, header.kid.as_deref()), (algorithm, Some(kid)));
            }
        }
    }
}
