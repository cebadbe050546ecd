//! The framing of a signed token (RFC 7515 section 7.1), strictly: one text for one token.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::algorithm::SigningAlgorithm;
use super::verification_key::VerificationKey;

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
        let header = object(&decode(header)?)?;
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return None;
        }
        let text = |name: &str| match header.get(name) {
            None => Some(None),
            Some(value) => value.as_str().map(Some),
        };
        let kind = text("typ")??;
        if !["at+jwt", "application/at+jwt"].iter().any(|own| own.eq_ignore_ascii_case(kind)) {
            return None;
        }
        let algorithm = SigningAlgorithm::from_name(text("alg")??)?;
        let kid = text("kid")?.map(str::to_owned);
        Some(Self { signed, payload, signature, algorithm, kid })
    }

    pub(super) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The claims, if `key` signed them.
    pub(super) fn claims(&self, key: &VerificationKey) -> Option<Map<String, Value>> {
        let mut signature = [0; MAX_SIGNATURE];
        let length = URL_SAFE_NO_PAD.decode_slice(self.signature, &mut signature).ok()?;
        let is_signed = key.algorithm() == self.algorithm
            && key.verifies(self.signed.as_bytes(), signature.get(..length).unwrap_or_default());
        if is_signed { object(&decode(self.payload)?) } else { None }
    }
}

/// base64url without padding, and without anything in the bits that are left over.
fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A JSON object in which no member stands twice (RFC 7515 section 4, RFC 7519 section 4).
fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice::<Object>(json).ok().map(|object| object.0)
}

struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Object(object))
    }
}
