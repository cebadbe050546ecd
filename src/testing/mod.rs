//! Parts for the tests of your own traits. Feature `testing`; not covered by semantic versioning, and never needed in
//! production.
//!
//! [`contract`] holds your own stores and limiter to the contracts of their traits: one call in one test. [`attempt()`] makes
//! what a [`CredentialVerifier`](crate::CredentialVerifier) is given, [`login_event()`] what a [`LoginRule`](crate::rules::LoginRule)
//! is given, [`delivery()`] what a [`CodeDelivery`](crate::mfa::CodeDelivery) is given, [`RefreshTokenUse`] uses a refresh token of a store, and [`ManualClock`] lets time pass at once:
//!
//! ```
//! use tower_password_grant::testing::attempt;
//! use tower_password_grant::{CredentialVerifier, Denial, Subject, Verdict, verify_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = verify_fn(|attempt| async move {
//!     Ok(if attempt.password().expose() == "correct horse" {
//!         Subject::new("user-1").into()
//!     } else {
//!         Denial::WrongPassword.into()
//!     })
//! });
//! let verdict = verifier.verify(attempt("alice", "correct horse").build()?).await;
//! assert!(matches!(verdict, Ok(Verdict::Granted(user)) if user.subject().id() == "user-1"));
//! let verdict = verifier.verify(attempt("alice", "wrong").build()?).await;
//! assert!(matches!(verdict, Ok(Verdict::Denied(Denial::WrongPassword))));
//! # Ok(())
//! # }
//! ```

mod attempt;
pub mod contract;
mod delivery;
mod every_option;
mod login_event;
mod manual_clock;
mod refresh;
mod roomy;

pub use attempt::{AttemptBuilder, AttemptError, attempt};
pub use delivery::{DeliveryBuilder, delivery};
pub use login_event::{LoginEventBuilder, LoginEventError, login_event};
pub use manual_clock::ManualClock;
pub use refresh::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};
