// The first definition of a link wins: here the front page leads to pages of this documentation, not of the web.
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("links.md"))]
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("drawings/links.md"))]
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("../README.md"))]
#![cfg_attr(all(feature = "argon2", feature = "sqlite"), doc = include_str!("drawings/themes.html"))]
#![cfg_attr(
    not(all(feature = "argon2", feature = "sqlite")),
    doc = "A tower layer that serves the OAuth 2.0 password grant."
)]
#![doc = include_str!("names.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::string_slice))]

#[cfg(feature = "argon2")]
pub mod argon2;
mod bearer;
mod boundary;
mod conductor;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(feature = "breach-filter")]
pub mod leaks;
mod limiter;
pub mod manual;
mod memory;
mod observe;
mod protocol;
mod service;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

pub use bearer::{
    BearerConfigError, BearerFuture, BearerGuard, BearerGuardBuilder, BearerReason, BearerRefusal, BearerService,
    IntrospectionClient, IntrospectionConfigError, Principal, TokenCache,
};
pub use boundary::access::{AccessTokenStore, AccessTokenVerifier, Revocation};
pub use boundary::account::{AccountKey, AccountKeyKind};
pub use boundary::audit::{AccountDigest, AuditEvent, AuditOutcome, AuditSink};
pub use boundary::auth_method::{AuthRequest, ClientAuthMethod};
pub use boundary::backend::{BackendError, BackendErrorKind, OperationError};
pub use boundary::check::{CheckOutcome, SecretCheck};
pub use boundary::clock::{Clock, SharedClock, SystemClock};
pub use boundary::document::PublicDocument;
pub use boundary::extension::{ExtensionGrant, ExtensionRequest};
pub use boundary::identity::StoreIdentity;
pub use boundary::issuer::{IssueFn, TokenIssuer, issue_fn};
pub use boundary::ladder::grant::Grant;
pub use boundary::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Checked, Decided, Fingerprint, Guess, Refusal, Reservation, Reserved, Rule,
    Settlement,
};
pub use boundary::maybe::MaybeFuture;
pub use boundary::notifier::{LockNotice, LockNotifier};
pub use boundary::once::OneTimeValues;
pub use boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage};
pub use boundary::peer::{PeerAddress, TrustedProxies};
pub use boundary::records::{AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};
pub use boundary::refresh::{FamilyStamp, NewFamily, RefreshTokenStore, Rotation, StoredFamily};
pub use boundary::registry::{ClientRegistry, FindClientFn, find_client_fn};
pub use boundary::setting::SettingError;
pub use boundary::shield::{Finding, OnLeak, Shield};
pub use boundary::transport::{SecureTransport, TransportSecurity};
pub use boundary::verifier::{Attempt, CredentialVerifier, Denial, Recheck, Verdict, Verified};
pub use boundary::verify_fn::{NoRecheck, VerifyFn, verify_fn};
pub use limiter::ceiling::ceilings::{IntrospectionCeiling, RequestCeiling};
pub use limiter::memory::limiter::MemoryLimiter;
pub use limiter::memory::stats::LimiterStats;
pub use limiter::step::budget::{Lockout, TokenBucket};
pub use limiter::step::rules::LimiterRules;
pub use limiter::stored::limiter::StoredLimiter;
pub use memory::access::MemoryAccessTokens;
pub use memory::clients::StaticClients;
pub use memory::once::MemoryOneTimeValues;
pub use memory::opaque::OpaqueIssuer;
pub use memory::refresh::MemoryRefreshTokens;
pub use protocol::client::builder::ClientBuilder;
pub use protocol::client::error::ClientError;
pub use protocol::client::registered::{Client, ClientAuthentication, ClientId, ClientSecret};
pub use protocol::client::sunset::{LinkError, Sunset};
pub use protocol::scope::{Scope, ScopeError};
pub use protocol::secret::secret_keys::{SecretKeys, SecretKeysError};
pub use protocol::secret::secrets::{Password, RandomnessError, SecretDigest, Token};
pub use protocol::secret::shared_key::{SharedKey, SharedKeyError};
pub use protocol::token::claims::{Claims, MalformedClaims};
pub use protocol::token::family::{FamilyId, RefreshFamily};
pub use protocol::token::lineage::{Lineage, LineageError};
pub use protocol::token::record::AccessTokenRecord;
pub use protocol::token::unsaved::UnsavedRecord;
pub use protocol::user::preparation::{PasswordPreparation, PreparationError};
pub use protocol::user::subject::Subject;
pub use protocol::wire::error::Reason;
pub use protocol::wire::host_code::{HostCode, HostCodeError};
pub use protocol::wire::members::MemberError;
pub use protocol::wire::response::IssuedTokens;
pub use service::{
    AnswerBody, Builder, ConfigError, Danger, EnclosedBody, EndpointFuture, Forward, ForwardFuture, HasClients,
    HasIssuer, HasVerifier, InnerBody, Metadata, NoInner, NotSet, PasswordGrant, PasswordGrantLayer,
    PasswordGrantService, Reject, ResponseBody, ResponseFuture, TokenEndpoint,
};
