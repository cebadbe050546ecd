//! Keeping things: the traits of stores, the stores in the memory of this process, and what a store of your own is written with.
//! [Your stores](crate::manual::your_stores) leads through writing one.
//!
//! - [`UserStore`] is the table of users, as far as a password needs it: two statements against a table that you have already.
//!   The verifier of the feature `argon2` asks it. A [`UserInsert`] takes users of another directory, too.
//! - [`RefreshTokenStore`] and [`AccessTokenStore`] keep tokens, [`OneTimeValues`] what is spent by its first use.
//! - [`FactorStore`] keeps the authenticators of [second factors](crate::mfa).
//! - [`UsageStore`] keeps who logs in how, for the [usage ledger](crate::usage).
//!
//! The feature `sqlite` keeps all of it in one file, the feature `postgres` or `postgres-sqlx` in a database that several servers share. Both have a
//! table of users of their own, into which a [`NewUser`] comes and of which an operator sees a [`UserEntry`]. The feature `redis`
//! keeps tokens and one-time values for several servers. A store of your own decides nothing: [`Lineage`] holds the rules of a
//! refresh token family, [`UserFactors`] those of the authenticators of a user, [`Client::to_text`](crate::Client::to_text) gives a client's registration as a text, and the suites of the
//! feature `testing` hold the store to its promises.
//!
//! ```
//! use std::sync::Arc;
//! use tower_password_grant::OpaqueIssuer;
//! use tower_password_grant::store::MemoryAccessTokens;
//!
//! let tokens = Arc::new(MemoryAccessTokens::new());
//! let issuer = OpaqueIssuer::new(Arc::clone(&tokens));
//! # let _ = issuer;
//! ```

pub use crate::boundary::access::AccessTokenStore;
pub use crate::boundary::factors::store::FactorStore;
pub use crate::boundary::identity::StoreIdentity;
pub use crate::boundary::once::OneTimeValues;
pub use crate::boundary::refresh::{FamilyStamp, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
pub use crate::boundary::usage::UsageStore;
pub use crate::boundary::users::entry::UserEntry;
pub use crate::boundary::users::insert::UserInsert;
pub use crate::boundary::users::login_name::LoginName;
pub use crate::boundary::users::new_user::NewUser;
pub use crate::boundary::users::store::UserStore;
pub use crate::boundary::users::stored_user::{StoredUser, UserStatus};
pub use crate::memory::access::MemoryAccessTokens;
pub use crate::memory::factors::MemoryFactors;
pub use crate::memory::once::MemoryOneTimeValues;
pub use crate::memory::refresh::MemoryRefreshTokens;
pub use crate::memory::usage::MemoryUsage;
pub use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, RecoveryCodes, Removed,
};
pub use crate::protocol::factor::changes::{FactorChanges, UserFactors};
pub use crate::protocol::secret::secrets::SecretDigest;
pub use crate::protocol::token::family::{FamilyId, RefreshFamily};
pub use crate::protocol::token::lineage::{Lineage, LineageError};
pub use crate::protocol::token::record::AccessTokenRecord;
pub use crate::protocol::token::unsaved::UnsavedAccessToken;
