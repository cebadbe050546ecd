//! What is known of a request so far: for its answer's headers, for telemetry and for the audit trail.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderValue, Method, Version};

use crate::boundary::audit::AccountDigest;
use crate::boundary::peer::Source;
use crate::protocol::client::Client;
use crate::protocol::grant::Subject;
use crate::protocol::head::is_own_site;
use crate::protocol::scope::Scope;

/// Kept outside the rungs, so that it survives their errors, deadlines and panics. What is rarely there is boxed: the
/// future of each request holds a trail.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) started: Duration,
    pub(crate) version: Version,
    pub(crate) is_head_request: bool,
    pub(crate) has_origin: bool,
    /// No page of another origin sent the request.
    pub(crate) is_own_site: bool,
    pub(crate) allowed_origin: Option<Box<HeaderValue>>,
    /// The other end of the connection.
    pub(crate) peer: Option<IpAddr>,
    /// The address that counts.
    pub(crate) address: Option<IpAddr>,
    pub(crate) grant_type: Option<Arc<str>>,
    /// The client that was found.
    pub(crate) client: Option<Client>,
    /// The client is authenticated and uses the password grant: its end date may be announced.
    pub(crate) announces_sunset: bool,
    pub(crate) account: Option<AccountDigest>,
    pub(crate) unencoded_basic: bool,
    pub(crate) issued: Option<Box<(Subject, Scope)>>,
}

impl Trail {
    pub(crate) fn new(head: &Parts, source: Source, started: Duration) -> Self {
        Self {
            started,
            version: head.version,
            is_head_request: head.method == Method::HEAD,
            has_origin: head.headers.contains_key(ORIGIN),
            is_own_site: is_own_site(head),
            allowed_origin: None,
            peer: source.peer,
            address: source.address,
            grant_type: None,
            client: None,
            announces_sunset: false,
            account: None,
            unencoded_basic: false,
            issued: None,
        }
    }
}
