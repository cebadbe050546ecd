//! Users: under which key they are counted, what a verifier of your own is asked and answers beside the usual, and what is done to
//! passwords before they are compared.
//!
//! [`AccountKey::canonical`] is the form in which login names are kept and looked up. A
//! [`CredentialVerifier`](crate::CredentialVerifier) of your own needs this module for accounts with several names ([`AccountKey`]),
//! for the question that it is asked at a refresh ([`Recheck`]), and for a denial with a text of its own ([`HostCode`]); the verifier
//! of the feature `argon2` needs it for the keys and the preparation of hashes. A [`Shield`] checks each correct password against
//! known leaks.
//!
//! ```
//! use tower_password_grant::user::HostCode;
//! use tower_password_grant::{Denial, Verdict};
//!
//! let code = HostCode::new("terms_not_accepted", "Accept the terms first")?;
//! let verdict = Verdict::from(Denial::Custom(code));
//! # assert!(matches!(verdict, Verdict::Denied(_)));
//! # Ok::<_, tower_password_grant::user::HostCodeError>(())
//! ```

pub use crate::boundary::account::{AccountKey, AccountKeyKind};
pub use crate::boundary::recheck::Recheck;
pub use crate::boundary::shield::{Finding, OnLeak, Shield};
pub use crate::boundary::verifier::Verified;
pub use crate::boundary::verify_fn::{NoRecheck, VerifyFn};
pub use crate::protocol::secret::secret_keys::{SecretKeys, SecretKeysError};
pub use crate::protocol::user::preparation::{PasswordPreparation, PreparationError};
pub use crate::protocol::wire::host_code::{HostCode, HostCodeError};
