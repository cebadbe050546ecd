//! The keys that a token may be signed with, as they are at one moment.

use std::ops::Deref;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::algorithm::SigningAlgorithm;
use super::compact::Compact;
use super::error::JwksError;
use super::verification_key::VerificationKey;

/// The longest JWKS document, in bytes.
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;
/// The most keys of one.
const MAX_KEYS: usize = 100;

#[derive(Clone, Debug)]
pub(super) struct Trusted(Arc<[VerificationKey]>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// What the header of a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A key that is there.
    Known,
    /// A key that is not there.
    Unknown,
    /// No key.
    None,
}

impl Trusted {
    pub(super) fn new(keys: Vec<VerificationKey>) -> Self {
        Self(keys.into())
    }

    /// The usable keys of a JWKS document (RFC 7517 section 5), perhaps none. The others are passed over, as the RFC asks
    /// for those of an unknown kind.
    pub(super) fn read(document: &[u8]) -> Result<Self, JwksError> {
        if document.len() > MAX_DOCUMENT {
            return Err(JwksError::TooLarge);
        }
        let document: Document = serde_json::from_slice(document).map_err(|_| JwksError::Malformed)?;
        if document.keys.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys);
        }
        Ok(Self(document.keys.into_iter().filter_map(|key| VerificationKey::from_value(key).ok()).collect()))
    }

    /// The key that the token names.
    pub(super) fn key_of(&self, token: &Compact<'_>) -> Option<&VerificationKey> {
        self.known(token).or_else(|| {
            let header = token.header()?;
            self.find(header.kid.as_deref(), header.algorithm)
        })
    }

    /// What the token names; none if its header fits no access token.
    pub(super) fn named_by(&self, token: &Compact<'_>) -> Option<Named> {
        if self.known(token).is_some() {
            return Some(Named::Known);
        }
        let is_there = |kid: &String| self.0.iter().any(|key| key.kid() == kid);
        Some(match &token.header()?.kid {
            None => Named::None,
            Some(kid) if is_there(kid) => Named::Known,
            Some(_) => Named::Unknown,
        })
    }

    /// The key whose tokens have this header, if this crate's issuers write them: such a header is known without a look into
    /// it.
    fn known(&self, token: &Compact<'_>) -> Option<&VerificationKey> {
        let encoded = token.encoded_header();
        self.0.iter().find(|key| key.encoded_header() == encoded)
    }

    /// The key for this `kid` and algorithm, the first if there are several. Without `kid` the only one of the algorithm:
    /// nobody but the token could choose between two.
    fn find(&self, kid: Option<&str>, algorithm: SigningAlgorithm) -> Option<&VerificationKey> {
        let mut fitting =
            self.0.iter().filter(|key| key.algorithm() == algorithm && kid.is_none_or(|kid| kid == key.kid()));
        let first = fitting.next()?;
        (kid.is_some() || fitting.next().is_none()).then_some(first)
    }
}

impl Deref for Trusted {
    type Target = [VerificationKey];

    fn deref(&self) -> &[VerificationKey] {
        &self.0
    }
}
