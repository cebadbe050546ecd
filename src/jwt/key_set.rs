use std::fmt;
use std::sync::{Arc, RwLock};

use aws_lc_rs::error::Unspecified;
use bytes::Bytes;
use serde::Serialize;

use super::algorithm::SigningAlgorithm;
use super::error::KeyError;
use super::header::Kind;
use super::signing_key::SigningKey;
use super::trusted::Trusted;
use super::verification_key::{Jwk, VerificationKey};

use crate::boundary::sync::held;

/// The keys of an issuer: one that signs, perhaps another one for ID tokens, and those that are published to verify with. They
/// can be changed while the endpoint runs.
///
/// Clones share the same keys. Each change is seen whole or not at all: no token is ever signed by a key that is not
/// published.
#[derive(Clone)]
pub struct KeySet(Arc<RwLock<Arc<Keys>>>);

/// As they are at one moment.
#[derive(Clone)]
pub(super) struct Keys {
    signing: Arc<SigningKey>,
    /// What signs ID tokens, if that is another key.
    id_tokens: Option<Arc<SigningKey>>,
    /// To verify with: the signing key's public half first.
    pub(super) published: Trusted,
    document: Bytes,
}

impl KeySet {
    /// A set of one key, which signs and is published.
    #[must_use]
    pub fn new(signing: SigningKey) -> Self {
        let published = vec![signing.verification_key().clone()];
        Self(Arc::new(RwLock::new(Arc::new(Keys::new(Arc::new(signing), None, published)))))
    }

    /// Publishes a key that does not sign here: one that will soon, one that no longer does, or one of another process.
    /// A key that is published already changes nothing.
    ///
    /// # Errors
    /// Fails when another key has its `kid`.
    pub fn publish(&self, key: VerificationKey) -> Result<(), KeyError> {
        self.change(|keys| {
            let mut published = keys.published.to_vec();
            add(&mut published, key)?;
            Ok(keys.publishing(published))
        })
    }

    /// Signs with `key` from the next token on. The old key's public half stays published, so that its tokens verify
    /// until [`retire`](Self::retire).
    ///
    /// Verifiers that cached the document do not know a key that was not [published](Self::publish) before.
    ///
    /// # Errors
    /// Fails when another key has its `kid`; the old key goes on signing then.
    pub fn rotate(&self, key: SigningKey) -> Result<(), KeyError> {
        self.change(|keys| {
            let mut published = keys.published.to_vec();
            let public = key.verification_key().clone();
            add(&mut published, public.clone())?;
            published.retain(|own| *own != public);
            published.insert(0, public);
            Ok(Keys::new(Arc::new(key), keys.id_tokens.clone(), published))
        })
    }

    /// Signs [ID tokens](crate::jwt::JwtIssuer::with_id_tokens) with `key` from the next one on, whatever signs access tokens, and
    /// publishes its public half. Default: one key signs both. A key for [RS256](crate::jwt::SigningAlgorithm::Rs256) suits clients
    /// that take nothing else. A second call rotates; the old key's public half stays published.
    ///
    /// The [OpenID configuration](crate::mount::Metadata::openid_configuration) names the algorithm that signs when the endpoint is
    /// built. Change to another one with a restart.
    ///
    /// # Errors
    /// Fails when another key has its `kid`; nothing changes then.
    pub fn sign_id_tokens_with(&self, key: SigningKey) -> Result<(), KeyError> {
        self.change(|keys| {
            let mut published = keys.published.to_vec();
            add(&mut published, key.verification_key().clone())?;
            Ok(Keys::new(Arc::clone(&keys.signing), Some(Arc::new(key)), published))
        })
    }

    /// Publishes the key of this `kid` no longer: no token of it verifies any more. Says whether there was one; a key that
    /// signs stays.
    pub fn retire(&self, kid: &str) -> bool {
        let mut retired = false;
        let result = self.change(|keys| {
            let mut published = keys.published.to_vec();
            published.retain(|key| key.kid() != kid || keys.signs_with(kid));
            retired = published.len() < keys.published.len();
            Ok(keys.publishing(published))
        });
        result.is_ok() && retired
    }

    /// The `kid` of the key that signs access tokens.
    #[must_use]
    pub fn signing_kid(&self) -> String {
        self.now().signing.kid().to_owned()
    }

    /// The published keys, the signing one first.
    #[must_use]
    pub fn published(&self) -> Vec<VerificationKey> {
        self.now().published.to_vec()
    }

    pub(super) fn document(&self) -> Bytes {
        self.now().document.clone()
    }

    pub(super) fn now(&self) -> Arc<Keys> {
        Arc::clone(&*held(self.0.read()))
    }

    fn change(&self, change: impl FnOnce(&Keys) -> Result<Keys, KeyError>) -> Result<(), KeyError> {
        let mut current = held(self.0.write());
        *current = Arc::new(change(&current)?);
        Ok(())
    }
}

impl Keys {
    fn new(signing: Arc<SigningKey>, id_tokens: Option<Arc<SigningKey>>, published: Vec<VerificationKey>) -> Self {
        #[derive(Serialize)]
        struct Document<'a> {
            keys: Vec<Jwk<'a>>,
        }
        let document = Document { keys: published.iter().map(VerificationKey::as_jwk).collect() };
        // Strings in structs always serialise; an empty set would verify nothing, which is the safe side.
        let document = serde_json::to_vec(&document).unwrap_or_else(|_| br#"{"keys":[]}"#.to_vec());
        Self { signing, id_tokens, published: Trusted::new(published), document: document.into() }
    }

    /// The same signing keys, with others to verify with.
    fn publishing(&self, published: Vec<VerificationKey>) -> Self {
        Self::new(Arc::clone(&self.signing), self.id_tokens.clone(), published)
    }

    /// Signs a token with the key for its kind.
    pub(super) fn sign(&self, kind: Kind, payload: &[u8]) -> Result<String, Unspecified> {
        self.key(kind).sign(kind, payload)
    }

    /// How a token of this kind is signed.
    pub(super) fn algorithm(&self, kind: Kind) -> SigningAlgorithm {
        self.key(kind).verification_key().algorithm()
    }

    fn key(&self, kind: Kind) -> &SigningKey {
        match kind {
            Kind::AccessToken => &self.signing,
            Kind::IdToken => self.id_tokens.as_ref().unwrap_or(&self.signing),
        }
    }

    fn signs_with(&self, kid: &str) -> bool {
        [Some(&self.signing), self.id_tokens.as_ref()].into_iter().flatten().any(|key| key.kid() == kid)
    }
}

fn add(published: &mut Vec<VerificationKey>, key: VerificationKey) -> Result<(), KeyError> {
    match published.iter().find(|own| own.kid() == key.kid()) {
        Some(own) if *own == key => Ok(()),
        Some(_) => Err(KeyError::KidInUse),
        None => {
            published.push(key);
            Ok(())
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.now();
        f.debug_struct("KeySet")
            .field("signing", &keys.signing)
            .field("id_tokens", &keys.id_tokens)
            .field("published", &keys.published)
            .finish()
    }
}
