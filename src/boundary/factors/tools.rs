//! The mechanisms of second factors: sealing, and the codes of authenticator apps.

use std::ops::{Deref, Range};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::protocol::secret::secrets::RandomnessError;
use crate::protocol::wiped::Wiped;

/// What a sealed value is. One kind is never opened as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedKind {
    /// A login with a factor open.
    MfaToken,
    /// A delivery.
    OobCode,
    /// The secret of an authenticator, or its contact.
    AuthenticatorSecret,
}

/// What was sealed, opened in its place. It is overwritten when it is dropped.
pub(crate) struct Unlocked {
    pub(crate) bytes: Wiped<Vec<u8>>,
    /// Where the value lies within them.
    pub(crate) value: Range<usize>,
}

impl Deref for Unlocked {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.value.clone()).unwrap_or_default()
    }
}

/// A new secret of an authenticator app.
pub(crate) struct NewOtp {
    /// The secret itself, to be sealed.
    pub(crate) secret: Zeroizing<Vec<u8>>,
    /// The same in base32, for people to type.
    pub(crate) text: Zeroizing<String>,
    /// The `otpauth` URI, for a QR code.
    pub(crate) uri: Zeroizing<String>,
}

/// Seals, opens, and checks codes. It decides nothing.
pub(crate) trait FactorTools: Send + Sync + 'static {
    /// Seals a value of this kind that belongs to `context`: opened with another context it is none.
    fn seal(&self, kind: SealedKind, context: &[&str], plain: &[u8]) -> Result<Vec<u8>, RandomnessError>;

    /// Opens what was sealed; `None` for anything else.
    fn open(&self, kind: SealedKind, context: &[&str], sealed: Vec<u8>) -> Option<Unlocked>;

    /// The time step whose code this is, of the present one and the one before (RFC 6238 section 5.2). Both are computed, whatever
    /// the code is: exactly six ASCII digits, else none fits.
    fn matching_step(&self, secret: &[u8], code: &str, now: SystemTime) -> Option<u64>;

    /// A new secret, for an account that the app shows by this name.
    fn new_otp(&self, account: &str) -> Result<NewOtp, RandomnessError>;
}
