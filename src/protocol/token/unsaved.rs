//! Records of access tokens on their way from the issuer to the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::record::AccessTokenRecord;
use crate::protocol::secret::secrets::SecretDigest;

/// The record of an access token that is not saved yet: an issuer [leaves](crate::IssuedTokens::with_unsaved) it to the store
/// that keeps the family of its refresh tokens, which saves both in one step.
///
/// A part in between that loses it would leave its client with a token that no API takes. So a store has to
/// [take](Self::take) it, and where none did the answer is 500 and not that token. Cloning is cheap, and all clones are one
/// record.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::ClientId;
/// use tower_password_grant::store::{AccessTokenRecord, UnsavedAccessToken};
/// use tower_password_grant::token::Token;
///
/// let (token, now) = (Token::random("at_")?, SystemTime::now());
/// let end = now + Duration::from_secs(600);
/// let record = AccessTokenRecord::new("user-17", ClientId::new("cli")?, now, end);
/// let (digest, record) = UnsavedAccessToken::new(token.digest(), record).take();
/// // INSERT INTO access_tokens ..; in the transaction that changes the family
/// assert_eq!(digest.as_bytes(), token.digest().as_bytes());
/// assert_eq!(record.subject_id(), "user-17");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UnsavedAccessToken(Arc<Unsaved>);

struct Unsaved {
    digest: SecretDigest,
    record: AccessTokenRecord,
    is_taken: AtomicBool,
}

impl UnsavedAccessToken {
    /// What a token with this digest stands for.
    #[must_use]
    pub fn new(digest: SecretDigest, record: AccessTokenRecord) -> Self {
        Self(Arc::new(Unsaved { digest, record, is_taken: AtomicBool::new(false) }))
    }

    /// What is to be saved, for a store that saves it now. Call it where the step succeeds or fails as a whole, and nowhere
    /// else: it counts as saved if the step succeeds.
    #[must_use]
    pub fn take(&self) -> (SecretDigest, AccessTokenRecord) {
        self.0.is_taken.store(true, Ordering::Release);
        (self.0.digest.clone(), self.0.record.clone())
    }

    /// Whether a store took it, this one or a clone.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_taken.load(Ordering::Acquire)
    }
}

impl fmt::Debug for UnsavedAccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnsavedAccessToken").field(&self.0.record).finish()
    }
}
