//! Where the endpoint stands: what is in front of it, what is behind it, and the types of its services.
//!
//! An application that mounts a [`PasswordGrantLayer`](crate::PasswordGrantLayer) behind a proxy needs [`TrustedProxies`] and
//! [`TransportSecurity`], over networks that are each an [`IpNetwork`]. [`RequestLimits`] bound the body and
//! the time of a request. A [`Profile`] says how requests are read and refusals are worded. [`Metadata`] lets clients discover the endpoint (RFC 8414). The other types have names for code that
//! writes them in a struct or a signature.
//!
//! ```
//! use tower_password_grant::PeerAddress;
//! use tower_password_grant::mount::TrustedProxies;
//!
//! let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8".parse()?]);
//! let address = PeerAddress::socket_addr().behind(proxies);
//! # let _ = address;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

pub use crate::boundary::document::PublicDocument;
pub use crate::boundary::proxies::TrustedProxies;
pub use crate::boundary::transport::{SecureTransport, TransportSecurity};
pub use crate::protocol::ip_network::{IpNetwork, IpNetworkError};
pub use crate::protocol::profile::Profile;
pub use crate::service::{
    AnswerBody, EnclosedBody, EndpointFuture, FactorEndpoints, Forward, ForwardFuture, HasClients, HasIssuer,
    HasVerifier, InnerBody, Metadata, NoInner, NotSet, PasswordGrantService, Reject, RequestLimits, ResponseBody,
    ResponseFuture,
};
