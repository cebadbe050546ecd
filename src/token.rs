//! Giving tokens: [refresh tokens](RefreshTokens), the endpoints that [end](RevocationEndpoint) and [explain](IntrospectionEndpoint) tokens, and what a [`TokenIssuer`](crate::TokenIssuer) of your own answers with
//! (RFC 6749 section 5.1).
//!
//! [`OpaqueIssuer`](crate::OpaqueIssuer) and the feature `jwt` need nothing more of this. What is kept of tokens is in
//! [`store`](crate::store), what takes them in [`bearer`](crate::bearer).
//!
//! ```
//! use tower_password_grant::{issue_fn, IssuedTokens};
//! use tower_password_grant::token::Token;
//!
//! let issuer = issue_fn(|grant| async move {
//!     let token = Token::random("at_")?;
//!     // Keep `token.digest()` with the facts of the grant.
//!     Ok(IssuedTokens::bearer(token, grant.lifetime()))
//! });
//! # let _ = issuer;
//! ```

pub use crate::boundary::issuer::IssueFn;
pub use crate::protocol::client::policy::MissingScope;
pub use crate::protocol::scope::ScopeError;
pub use crate::protocol::secret::secrets::Token;
pub use crate::protocol::token::claims::{Claims, MalformedClaims};
pub use crate::protocol::token::methods::{AuthenticationMethod, AuthenticationMethods, UnknownMethod};
pub use crate::protocol::wire::members::MemberError;
pub use crate::service::{IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};
