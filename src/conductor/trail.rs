//! What is known of a request so far: for its answer's headers, for telemetry and for the audit trail.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderValue, Method, Version};

use crate::boundary::audit::AccountDigest;
use crate::protocol::client::Client;
use crate::protocol::grant::Subject;
use crate::protocol::head::{Site, site};
use crate::protocol::scope::Scope;

/// Kept outside the rungs, so that it survives their errors, deadlines and panics.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) started: Duration,
    pub(crate) version: Version,
    pub(crate) method: Method,
    pub(crate) has_origin: bool,
    /// No page of another origin sent the request.
    pub(crate) is_own_site: bool,
    pub(crate) allowed_origin: Option<HeaderValue>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) grant_type: Option<Arc<str>>,
    /// The client that was found.
    pub(crate) client: Option<Client>,
    /// The client is authenticated and uses the password grant: its end date may be announced.
    pub(crate) announces_sunset: bool,
    pub(crate) account: Option<AccountDigest>,
    pub(crate) unencoded_basic: bool,
    pub(crate) issued: Option<(Subject, Scope)>,
}

impl Trail {
    pub(crate) fn new(head: &Parts, peer: Option<IpAddr>, started: Duration) -> Self {
        Self {
            started,
            version: head.version,
            method: head.method.clone(),
            has_origin: head.headers.contains_key(ORIGIN),
            is_own_site: site(head) == Site::Own,
            allowed_origin: None,
            peer,
            grant_type: None,
            client: None,
            announces_sunset: false,
            account: None,
            unencoded_basic: false,
            issued: None,
        }
    }
}
