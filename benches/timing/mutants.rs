//! Verifiers with the mistakes that the gates must catch (G34). None of them is in the library.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use http::HeaderValue;
use tokio::sync::OnceCell;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::client::{AuthRequest, ClientAuthMethod};
use tower_password_grant::{Attempt, BackendError, Client, CredentialVerifier, Denial, Verdict};

use super::server::{METHOD, METHOD_CLIENT};
use super::users::{UNUSABLE, Users};

type Real = Arc<Argon2Verifier<Arc<Users>>>;

/// Answers unknown users without a hash.
pub struct Early {
    users: Arc<Users>,
    real: Real,
}

impl Early {
    pub fn new(users: &Arc<Users>, real: &Real) -> Self {
        Self { users: Arc::clone(users), real: Arc::clone(real) }
    }
}

#[async_trait]
impl CredentialVerifier for Early {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if !self.users.exists(attempt.username(), attempt.realm()) {
            return Ok(Denial::UnknownUser.into());
        }
        self.real.verify(attempt).await
    }
}

/// Answers users whose hash can never be right without a hash.
pub struct NoDummyForUnusable(Real);

impl NoDummyForUnusable {
    pub fn new(real: &Real) -> Self {
        Self(Arc::clone(real))
    }
}

#[async_trait]
impl CredentialVerifier for NoDummyForUnusable {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if attempt.username() == UNUSABLE {
            return Ok(Denial::WrongPassword.into());
        }
        self.0.verify(attempt).await
    }
}

/// Takes the realm from the form, and answers this one without a hash.
pub struct EarlyInRealm {
    real: Real,
    realm: &'static str,
}

impl EarlyInRealm {
    pub fn new(real: &Real, realm: &'static str) -> Self {
        Self { real: Arc::clone(real), realm }
    }
}

#[async_trait]
impl CredentialVerifier for EarlyInRealm {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if attempt.field("realm") == Some(self.realm) {
            return Ok(Denial::UnknownUser.into());
        }
        self.real.verify(attempt).await
    }
}

type Work = Arc<OnceCell<Verdict>>;

/// Equal requests for a user that arrive together are verified once and answered together. Requests for unknown users
/// have no stored hash that could be the key of the work, so each takes its own run.
pub struct Shared {
    users: Arc<Users>,
    real: Real,
    under_way: Mutex<HashMap<(String, String), Work>>,
}

impl Shared {
    pub fn new(users: &Arc<Users>, real: &Real) -> Self {
        Self { users: Arc::clone(users), real: Arc::clone(real), under_way: Mutex::default() }
    }
}

#[async_trait]
impl CredentialVerifier for Shared {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if !self.users.exists(attempt.username(), attempt.realm()) {
            return self.real.verify(attempt).await;
        }
        let key = (attempt.username().to_owned(), attempt.password().expose().to_owned());
        let work = Arc::clone(self.under_way.lock().unwrap().entry(key.clone()).or_default());
        let verdict = work.get_or_try_init(|| self.real.verify(attempt)).await.cloned();
        self.under_way.lock().unwrap().remove(&key);
        verdict
    }
}

/// A verifier over the `argon2` crate, with as much memory as it is told for the run that an unknown user takes.
pub struct Own {
    users: Arc<Users>,
    memory: Arc<Mutex<Vec<Block>>>,
    for_unknown: u32,
}

const FULL: u32 = 19_456;

impl Own {
    pub fn new(users: &Arc<Users>, for_unknown: u32) -> Self {
        let memory = Arc::new(Mutex::new(vec![Block::default(); FULL as usize]));
        Self { users: Arc::clone(users), memory, for_unknown }
    }
}

#[async_trait]
impl CredentialVerifier for Own {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let exists = self.users.exists(attempt.username(), attempt.realm());
        let params = Params::new(if exists { FULL } else { self.for_unknown }, 2, 1, None)?;
        let (memory, password) = (Arc::clone(&self.memory), attempt.into_password());
        // Nobody logs in here, so it is not compared with anything.
        let hashed = tokio::task::spawn_blocking(move || {
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let mut memory = memory.lock().unwrap();
            let secret = password.expose().as_bytes();
            argon2.hash_password_into_with_memory(secret, b"sixteen byte slt", &mut [0; 32], memory.as_mut_slice())
        });
        hashed.await??;
        Ok(if exists { Denial::WrongPassword } else { Denial::UnknownUser }.into())
    }
}

/// How a [`PlainSecret`] is compared.
#[derive(Clone, Copy)]
pub enum Compare {
    /// A loop that ends at the first byte that differs.
    Loop,
    /// `==` of two strings, which is the platform's `memcmp`.
    Equals,
    /// The loop without the early end: for the method's own noise.
    Constant,
}

/// A way of client authentication that keeps the secret in the clear and compares it.
pub struct PlainSecret {
    pub secret: String,
    pub compare: Compare,
}

#[async_trait]
impl ClientAuthMethod for PlainSecret {
    fn name(&self) -> &str {
        METHOD
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Plain realm=\"timing\"")
    }

    fn claim(&self, request: &AuthRequest<'_>) -> Option<String> {
        request.field("plain").map(|_| METHOD_CLIENT.to_owned())
    }

    async fn verify(&self, _: &Client, request: &AuthRequest<'_>) -> Result<bool, BackendError> {
        let presented = request.field("plain").unwrap_or_default();
        Ok(match self.compare {
            Compare::Equals => *presented == *self.secret,
            Compare::Loop => early_exit(presented.as_bytes(), self.secret.as_bytes()),
            Compare::Constant => {
                let pairs = presented.bytes().zip(self.secret.bytes());
                presented.len() == self.secret.len() && pairs.fold(0, |apart, (one, other)| apart | one ^ other) == 0
            }
        })
    }
}

#[inline(never)]
fn early_exit(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    for (one, other) in one.iter().zip(other) {
        if one != other {
            return false;
        }
    }
    true
}
