//! The framing of a signed token (RFC 7515 section 7.1), strictly: one text for one token.

use std::sync::OnceLock;

use super::base64url;
use super::header::Header;
use super::verification_key::VerificationKey;
use crate::protocol::wire::charset::split_once;

/// The longest token that is read, in bytes.
pub(super) const MAX_TOKEN: usize = 8 * 1024;

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
        let (header, payload) = split_once(signed, b'.')?;
        // A fourth part would stand in the payload. No key could save such a token.
        if payload.as_bytes().contains(&b'.') {
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
        // One for both, the signature first.
        let mut bytes = base64url::buffer_for(self.payload.len().max(self.signature.len()));
        base64url::decode_into(&mut bytes, self.signature)?;
        if !key.verifies(self.signed.as_bytes(), &bytes) {
            return None;
        }
        base64url::decode_into(&mut bytes, self.payload)?;
        String::from_utf8(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::jwt::algorithm::SigningAlgorithm;
    use crate::jwt::signing_key::SigningKey;
    use crate::jwt::trusted::{Named, Trusted};

    #[test]
    fn a_header_as_this_crates_issuers_write_it_names_its_key_without_being_read() {
        let keys = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]
            .map(|algorithm| SigningKey::generate(algorithm).unwrap());
        let [key, other] = keys.map(|key| key.verification_key().clone());
        let trusted = Trusted::new(vec![other.clone(), key.clone()]);
        let token = format!("{}.e30.AA", key.encoded_header());
        let token = Compact::split(&token).unwrap();
        assert_eq!((trusted.named_by(&token), trusted.key_of(&token)), (Some(Named::Known), Some(&key)));
        assert!(token.read.get().is_none());
        // Other sets have to read it.
        assert_eq!(Trusted::new(vec![other]).named_by(&token), Some(Named::Unknown));
        assert!(token.read.get().is_some());
    }

    #[test]
    fn a_header_that_others_write_names_a_key_by_its_kid_or_none() {
        let key =
            SigningKey::generate(SigningAlgorithm::Es256).unwrap().verification_key().clone().with_kid("k").unwrap();
        let trusted = Trusted::new(vec![key]);
        for (header, named) in [
            (r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, Some(Named::Known)),
            (r#"{"alg":"ES256","kid":"other","typ":"at+jwt"}"#, Some(Named::Unknown)),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, Some(Named::None)),
            (r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#, None),
            (r#"{"alg":"ES256","kid":"k","kid":"k","typ":"at+jwt"}"#, None),
        ] {
            let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(trusted.named_by(&Compact::split(&token).unwrap()), named, "{header}");
        }
    }
}
