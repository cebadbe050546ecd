//! Passwords that are stored as Argon2id hashes (feature `argon2`).
//!
//! [`Argon2Verifier`] is a [`CredentialVerifier`](crate::CredentialVerifier) over a [`UserStore`](crate::store::UserStore), which the application
//! implements with two statements against its own user table.
//!
//! ```
//! use async_trait::async_trait;
//! use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
//! use tower_password_grant::store::{LoginName, StoredUser, UserStore};
//! use tower_password_grant::{BackendError, Password};
//!
//! type Found = Result<Option<StoredUser>, BackendError>;
//!
//! struct Users {
//!     // your pool in place of:
//!     hash_of_alice: String,
//! }
//!
//! #[async_trait]
//! impl UserStore for Users {
//!     async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Found {
//!         // SELECT id, password_hash FROM users WHERE login = $1
//!         // $1 is `login.canonical()` if the column holds names in that form, and
//!         // `login.as_typed()` if it holds them as their users once chose them.
//!         let hash = self.hash_of_alice.clone();
//!         let alice = || StoredUser::new("user-1").with_password_hash(hash);
//!         Ok((login.canonical() == "alice").then(alice))
//!     }
//!
//!     async fn save_hash(
//!         &self,
//!         id: &str,
//!         old: &str,
//!         new: &str,
//!     ) -> Result<bool, BackendError> {
//!         // UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2
//!         let rows_changed = 0;
//!         # let _ = (id, old, new);
//!         Ok(rows_changed == 1)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let password = Password::new("correct horse".to_owned());
//! let hash_of_alice = Argon2Parameters::default().hash_blocking(&password)?;
//! let verifier = Argon2Verifier::new(Users { hash_of_alice })?;
//! # let _ = verifier;
//! # Ok(())
//! # }
//! ```
//!
//! # Where the hashing runs
//! A hash takes some 15 ms of a core and 19 MiB. It runs on a fixed number of threads of the verifier's own, never on the
//! threads of the async runtime. Each thread keeps its memory, so time and memory don't change under load. Jobs wait in a
//! bounded queue, first come, first served, for known and unknown names alike. One address may have a part of its places;
//! a login whose client hangs up leaves its place at once. Beyond it, and for a job that waited too long, the request is
//! refused with 503 and `Retry-After`, and its charge is given back. A refusal is held back for a moment, so that clients
//! which try again at once don't take the processor from those that wait.
//!
//! Half of the places and of the threads' time is kept for logins from an address from which the same account logged in before
//! ([`Attempt::is_from_known_address`](crate::Attempt::is_from_known_address)), and lent to all others as long as nobody needs
//! it: [`queue_percent_for_known_addresses`](Argon2VerifierBuilder::queue_percent_for_known_addresses). So a flood of guesses from
//! many addresses keeps out new users and users at new addresses, but not those that come back.
//!
//! # What the time shows
//! A name that does not exist, a user without a password, a hash that cannot be read and a hash whose cost is above the
//! limits all take one run with the current parameters, through the same queue. What stays visible is a stored hash whose
//! cost differs from the current parameters: a wrong password for it takes another time than for an unknown name, until
//! its user has logged in and the hash is upgraded.
//!
//! While the queue is full, somebody who shares an address with others sees by the wait, or by a 503, which accounts logged in
//! from there. Nobody sees it of another address.
//!
//! # Building for speed
//! Without optimization a hash takes a second, and logins fill the queue at once. For debug builds the application's
//! `Cargo.toml` needs:
//! ```toml
//! [profile.dev.package]
//! argon2.opt-level = 3
//! blake2.opt-level = 3
//! argon2-rust.opt-level = 3 # with the feature `argon2-fast`
//! ```
//!
//! # Feature `argon2-fast`
//! The same hashes by another implementation, the crate `argon2-rust`: it chooses AVX-512, AVX2 or NEON at run time and takes about
//! half the time, so the same cores serve twice as many logins, or the same time pays for twice the cost. What one gives up:
//! that crate is young, has one maintainer and no independent audit, and contains some 600 lines with `unsafe`, where the crate
//! `argon2` has a few; it needs Rust 1.89. So the feature is off by default.
//!
//! Limits, formats and what a hash costs in memory stay; memory is wiped after each hash. [`build`](Argon2VerifierBuilder::build)
//! compares hashes whose results are known first, and fails if one is wrong. The tests compare both implementations over random
//! parameters.
//!
//! Without it the hash gains a third from AVX-512 where the processor has it and the final binary is built with
//! `RUSTFLAGS="-C target-cpu=native"`.

mod argon2_hash;
mod config;
mod counts;
mod engine;
mod error;
mod format;
mod formats;
mod hasher;
mod import;
mod lane;
mod legacy;
mod parameters;
mod places;
mod pool;
mod queue;
mod settings;
mod stats;
mod stored;
mod unusable;
mod upgrade;
mod verifier;

pub use config::Argon2VerifierBuilder;
pub use error::{Argon2ConfigError, HashError};
pub use format::HashFormat;
pub use parameters::Argon2Parameters;
pub use stats::HashingStats;
pub use unusable::UnusableHash;
pub use verifier::Argon2Verifier;
