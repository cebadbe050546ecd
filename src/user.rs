//! Users: what a verifier answers about them beside the usual, and what is done to passwords before they are compared.
//!
//! A [`CredentialVerifier`](crate::CredentialVerifier) of your own needs this module for a denial with a text of its own
//! ([`HostCode`]), and the verifier of the feature `argon2` for the keys and the preparation of hashes. A [`Shield`] checks each
//! correct password against known leaks.
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

pub use crate::boundary::account::AccountKeyKind;
pub use crate::boundary::shield::{Finding, OnLeak, Shield};
pub use crate::boundary::verifier::Verified;
pub use crate::boundary::verify_fn::{NoRecheck, VerifyFn};
pub use crate::protocol::secret::secret_keys::{SecretKeys, SecretKeysError};
pub use crate::protocol::user::preparation::{PasswordPreparation, PreparationError};
pub use crate::protocol::wire::host_code::{HostCode, HostCodeError};
