use std::fmt;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use serde::Serialize;

use super::error::KeyError;
use super::signing_key::SigningKey;
use super::trusted::Trusted;
use super::verification_key::{Jwk, VerificationKey};

use crate::boundary::sync::held;

/// The keys of an issuer: one that signs, and those that are published to verify with. They can be changed while the
/// endpoint runs.
///
/// Clones share the same keys. Each change is seen whole or not at all: no token is ever signed by a key that is not
/// published.
#[derive(Clone)]
pub struct KeySet(Arc<RwLock<Arc<Keys>>>);

/// As they are at one moment.
#[derive(Clone)]
pub(super) struct Keys {
    signing: Arc<SigningKey>,
    /// To verify with: the signing key's public half first.
    pub(super) published: Trusted,
    document: Bytes,
}

impl KeySet {
    /// A set of one key, which signs and is published.
    #[must_use]
    pub fn new(signing: SigningKey) -> Self {
        let published = vec![signing.verification_key().clone()];
        Self(Arc::new(RwLock::new(Arc::new(Keys::new(Arc::new(signing), published)))))
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
            Ok(Keys::new(Arc::clone(&keys.signing), published))
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
            Ok(Keys::new(Arc::new(key), published))
        })
    }

    /// Publishes the key of this `kid` no longer: no token of it verifies any more. Says whether there was one; the key
    /// that signs stays.
    pub fn retire(&self, kid: &str) -> bool {
        let mut retired = false;
        let result = self.change(|keys| {
            let mut published = keys.published.to_vec();
            published.retain(|key| key.kid() != kid || kid == keys.signing.kid());
            retired = published.len() < keys.published.len();
            Ok(Keys::new(Arc::clone(&keys.signing), published))
        });
        result.is_ok() && retired
    }

    /// The `kid` of the key that signs.
    #[must_use]
    pub fn signing_kid(&self) -> String {
        self.signing().kid().to_owned()
    }

    /// The published keys, the signing one first.
    #[must_use]
    pub fn published(&self) -> Vec<VerificationKey> {
        self.now().published.to_vec()
    }

    pub(super) fn signing(&self) -> Arc<SigningKey> {
        Arc::clone(&self.now().signing)
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
    fn new(signing: Arc<SigningKey>, published: Vec<VerificationKey>) -> Self {
        #[derive(Serialize)]
        struct Document<'a> {
            keys: Vec<Jwk<'a>>,
        }
        let document = Document { keys: published.iter().map(VerificationKey::as_jwk).collect() };
        // Strings in structs always serialise; an empty set would verify nothing, which is the safe side.
        let document = serde_json::to_vec(&document).unwrap_or_else(|_| br#"{"keys":[]}"#.to_vec());
        Self { signing, published: Trusted::new(published), document: document.into() }
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
        f.debug_struct("KeySet").field("signing", &keys.signing).field("published", &keys.published).finish()
    }
}
