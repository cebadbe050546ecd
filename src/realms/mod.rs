//! Realms: separate directories of users.
//!
//! A directory is any [`CredentialVerifier`](crate::CredentialVerifier).
//!
//! # Several directories behind one realm
//!
//! [`FirstOf`] asks several directories in their order: the first that knows the name decides alone. [`Migrate`] does the same with
//! two, and moves users from the old one to the new one, each at the next login with the right password. Both are verifiers: each may
//! stand behind a realm, or serve an endpoint without realms. Here users leave a directory for a SQLite file with Argon2 hashes:
//!
//! ```
//! # #[cfg(not(all(feature = "argon2", feature = "sqlite")))] fn main() {}
//! # #[cfg(all(feature = "argon2", feature = "sqlite"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_password_grant::argon2::Argon2Verifier;
//! use tower_password_grant::realms::Migrate;
//! use tower_password_grant::sqlite::SqliteStore;
//! use tower_password_grant::{
//!     Client, Denial, OpaqueIssuer, PasswordGrant, PeerAddress, Subject, verify_fn,
//! };
//! # use tower::ServiceExt as _;
//! # let folder = std::env::temp_dir().join(format!("realms-moving-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let file = folder.join("auth.db");
//!
//! let old = verify_fn(|attempt| async move {
//!     // Asks LDAP, a service, a table with a hash of its own ..
//!     Ok(match (attempt.username(), attempt.password().expose()) {
//!         ("alice", "correct-horse") => Subject::new("user-1").into(),
//!         ("alice", _) => Denial::WrongPassword.into(),
//!         _ => Denial::UnknownUser.into(),
//!     })
//! });
//! let store = SqliteStore::open(&file)?;
//! # let app = Client::public("app").allow_password_grant().scopes("read").default_scope("read");
//! # store.put_client(&app.build()?).await?;
//! let users = Migrate::new(old, Argon2Verifier::new(store.clone())?);
//! let layer = PasswordGrant::builder()
//!     .clients(store.clone())
//!     .verifier(users)
//!     .issuer(OpaqueIssuer::new(store.clone()))
//!     .peer_address(PeerAddress::unknown())
//!     .build()?;
//! # let form = "grant_type=password&client_id=app&username=alice&password=correct-horse";
//! # let request = http::Request::post("/oauth/token")
//! #     .header("content-type", "application/x-www-form-urlencoded")
//! #     .body(http_body_util::Full::new(bytes::Bytes::from(form)))?;
//! # assert_eq!(layer.endpoint().oneshot(request).await?.status(), 200);
//!
//! // After a login of alice:
//! let moved = store.users("", 100).await?;
//! assert!(moved.iter().any(|user| user.id() == "user-1" && user.has_password()));
//! # store.close().await;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! When `store.users` has all that the old directory had, or when enough time has passed for all who still log in, put the
//! `Argon2Verifier` in the place of the `Migrate`.

mod first_of;
mod migrate;

pub use crate::boundary::users::import::{ImportedUser, UserImport};
pub use first_of::FirstOf;
pub use migrate::Migrate;
