//! Login rules: what your application decides on a login whose credentials are right, before its tokens are given.
//!
//! A rule sees the user, the client, the realm, the address, the scope and what the rules before it decided: a [`LoginEvent`]. It
//! answers a [`Ruling`]: the login goes on, with claims and members that the rule adds, scopes that it adds or takes away, and a
//! shorter lifetime; or it is refused. [`Builder::rule`](crate::Builder::rule) adds a rule. They are asked in the order in which
//! they were added, after a right password, after the yes of an extension grant, and at each refresh.
//!
//! ```
//! # use tower_password_grant::store::MemoryAccessTokens;
//! # use tower_password_grant::{
//! #     Client, Denial, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, verify_fn,
//! # };
//! use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
//!
//! # fn layer() -> Result<tower_password_grant::PasswordGrantLayer, Box<dyn std::error::Error>> {
//! # let clients = StaticClients::new([Client::public("cli").allow_password_grant().scopes("read").build()?])?;
//! # let users = verify_fn(|_| async { Ok(Denial::UnknownUser.into()) });
//! # let tokens = OpaqueIssuer::new(MemoryAccessTokens::new());
//! let no_admin = rule_fn("no admin for customers", |login: LoginEvent| async move {
//!     Ok(match login.realm() {
//!         Some("customers") => Ruling::proceed().remove_scope("admin"),
//!         _ => Ruling::proceed().claim("https://example.org/staff", login.subject())?,
//!     })
//! });
//! let layer = PasswordGrant::builder()
//!     .clients(clients)
//!     .verifier(users)
//!     .issuer(tokens)
//!     .rule(no_admin)
//!     .peer_address(PeerAddress::socket_addr())
//!     .build()?;
//! # Ok(layer)
//! # }
//! # assert!(layer().is_ok());
//! ```
//!
//! A denial looks like a wrong password to the client, and is charged like one; the reason goes to telemetry and to the
//! [audit trail](crate::audit::RuleRefusal). A rule that fails, panics or takes longer than its
//! [time](crate::mount::RequestLimits::rule_deadline) answers 503 or 500: no token is given that a rule has not seen.

pub use crate::boundary::login_event::{LoginEvent, LoginStage};
pub use crate::boundary::login_rule::LoginRule;
pub use crate::boundary::rule_at_once_fn::{RuleAtOnceFn, rule_at_once_fn};
pub use crate::boundary::rule_fn::{RuleFn, rule_fn};
pub use crate::protocol::rules::error::RulingError;
pub use crate::protocol::rules::ruling::Ruling;
