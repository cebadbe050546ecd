use std::sync::{Arc, RwLock};

use super::error::JwksError;
use super::trusted::Trusted;
use super::verification_key::VerificationKey;

use crate::boundary::sync::held;

/// The public keys of another issuer, from its JWKS document (RFC 7517 section 5): for a
/// [`JwtVerifier`](crate::jwt::JwtVerifier) whose application gets the document by itself.
///
/// Keys that are not for ES256, EdDSA or RS256 signatures are passed over; so are private and symmetric ones. A key without
/// `kid` gets its thumbprint (RFC 7638) as one.
///
/// Clones share the same keys.
///
/// ```
/// use tower_password_grant::jwt::{JwkSet, JwtVerifier};
///
/// let document = r#"{"keys":[{"kty":"OKP","crv":"Ed25519",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let keys = JwkSet::from_json(document)?;
/// let verifier = JwtVerifier::new("https://as.example", keys.clone());
/// // Later, when the issuer has published others:
/// keys.replace(document)?;
/// # Ok::<_, tower_password_grant::jwt::JwksError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwkSet(Arc<RwLock<Trusted>>);

impl JwkSet {
    /// Reads a document.
    ///
    /// # Errors
    /// Fails when it is malformed, longer than 256 KiB, has more than 100 keys, or none that is usable.
    pub fn from_json(document: &str) -> Result<Self, JwksError> {
        Ok(Self(Arc::new(RwLock::new(read(document)?))))
    }

    /// Puts another document in the place of the last one: the next token is verified with its keys alone.
    ///
    /// # Errors
    /// Fails as [`from_json`](Self::from_json) does; the keys stay as they were then.
    pub fn replace(&self, document: &str) -> Result<(), JwksError> {
        let keys = read(document)?;
        *held(self.0.write()) = keys;
        Ok(())
    }

    /// The usable keys, in the order of the document.
    #[must_use]
    pub fn keys(&self) -> Vec<VerificationKey> {
        self.trusted().to_vec()
    }

    pub(super) fn trusted(&self) -> Trusted {
        held(self.0.read()).clone()
    }
}

fn read(document: &str) -> Result<Trusted, JwksError> {
    let keys = Trusted::read(document.as_bytes())?;
    if keys.is_empty() { Err(JwksError::NoKey) } else { Ok(keys) }
}
