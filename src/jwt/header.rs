//! The header of a signed token (RFC 7515 section 4).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::SigningAlgorithm;
use super::base64url;
use crate::protocol::wire::json_object::JsonObject;

/// Header parameters that bring a key along, change what is signed, or must be understood.
const REFUSED: [&str; 8] = ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"];

/// What a signed token is. Its header says so, and no verifier of this crate takes one kind for the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// RFC 9068 section 2.1.
    AccessToken,
    /// OpenID Connect Core 1.0 section 2.
    IdToken,
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
        }
    }
}

/// A header that fits an access token.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: SigningAlgorithm,
    pub(super) kid: Option<String>,
}

impl Header {
    /// As this crate's issuers write it, in base64url. What is written like this is of this kind, and names this key.
    pub(super) fn write(kind: Kind, algorithm: SigningAlgorithm, kid: &str) -> String {
        let header = serde_json::json!({ "alg": algorithm.name(), "typ": kind.typ(), "kid": kid });
        URL_SAFE_NO_PAD.encode(header.to_string())
    }

    pub(super) fn read(encoded: &str) -> Option<Self> {
        let header = base64url::decode_text(encoded)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_that_issuers_write_is_read_as_what_it_was_written_from() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256] {
            for kid in ["1", "a \"b\" \\ c", &"k".repeat(255)] {
                let header = Header::read(&Header::write(Kind::AccessToken, algorithm, kid)).unwrap();
                assert_eq!((header.algorithm, header.kid.as_deref()), (algorithm, Some(kid)));
                assert!(Header::read(&Header::write(Kind::IdToken, algorithm, kid)).is_none());
            }
        }
    }
}
