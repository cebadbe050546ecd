//! Realms: separate directories of users behind one endpoint.
//!
//! A client [lists its realms](crate::client::ClientBuilder::realms), and its users choose one of them at the login, as in a box
//! "Employees / Customers". [`Realms`] sends each login to the verifier of its realm. The same name in two realms is two accounts,
//! with budgets, locks and tokens of their own. A directory is any [`CredentialVerifier`](crate::CredentialVerifier).
//!
//! ```
//! use tower_password_grant::realms::Realms;
//! # use tower_password_grant::store::MemoryAccessTokens;
//! use tower_password_grant::{
//!     Client, Denial, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, Subject,
//!     verify_fn,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Any two verifiers, each over users of its own.
//! let customers = verify_fn(|attempt| async move {
//!     Ok(if attempt.password().expose() == "correct horse" {
//!         Subject::new("17").into() // in tokens: `customers|17`
//!     } else {
//!         Denial::WrongPassword.into()
//!     })
//! });
//! let employees = verify_fn(|_| async { Ok(Denial::UnknownUser.into()) });
//!
//! let app = Client::public("app")
//!     .allow_password_grant()
//!     .allow_realm_grant()
//!     .realms(["customers", "employees"]) // the first is the default
//!     .scopes("read")
//!     .build()?;
//! let layer = PasswordGrant::builder()
//!     .clients(StaticClients::new([app])?)
//!     .verifier(Realms::new().realm("customers", customers)?.realm("employees", employees)?)
//!     .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
//!     .peer_address(PeerAddress::socket_addr())
//!     .build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # What a request says
//!
//! | Grant type | `realm` | The realm of the login |
//! |---|---|---|
//! | `password` | not sent, or empty | the client's default |
//! | `password` | one that the client lists | that one |
//! | `http://auth0.com/oauth/grant-type/password-realm`, if the client [may use it](crate::client::ClientBuilder::allow_realm_grant) | one that the client lists | that one |
//! | the same | not sent, or empty | none: `invalid_request` |
//! | each of them | any other text | none: `invalid_request`, the same bytes whether that realm exists or not |
//! | each of them | twice | none: `invalid_request`, as for any parameter |
//!
//! Nothing is looked up or charged before that. A client that lists no realm does not know the parameter: the verifier finds it among
//! the [fields](crate::Attempt::fields) of the attempt.
//!
//! # Where the realm stands
//!
//! In each [`Attempt`](crate::Attempt::realm), [`Grant`](crate::Grant::realm) and token: as the claim `realm` of a JWT, in the record of
//! an opaque one, in the answer of introspection, and in the [`Principal`](crate::bearer::Principal). A guard takes tokens of
//! [one realm](crate::bearer::BearerGuardBuilder::token_realm), of
//! [several](crate::bearer::BearerGuardBuilder::token_realms), or of [all](crate::bearer::BearerGuardBuilder::any_token_realm).
//! Introspection shows a client that lists realms only tokens of those. To one that lists none it shows tokens of all: so list them for
//! each API that asks about tokens. The endpoint warns at its start about one that has none.
//!
//! # The grant type of an application
//!
//! An [`ExtensionGrant`](crate::grant::ExtensionGrant) of the name of the realm grant takes its place. Without one the endpoint serves
//! the realm grant, but not where the registry [names its clients](crate::ClientRegistry::all_clients) and none of them may use it.
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
//! use tower_password_grant::user::AccountKey;
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
//!     let name = AccountKey::canonical(attempt.username());
//!     Ok(match (name.as_str(), attempt.password().expose()) {
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

mod by_realm;
mod first_of;
mod migrate;

pub use crate::boundary::users::import::{ImportedUser, UserImport};
pub use crate::protocol::realm::{RealmError, own_id};
pub use by_realm::Realms;
pub use first_of::FirstOf;
pub use migrate::Migrate;
