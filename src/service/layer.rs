use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tower::Layer;

use super::answer_body::{EnclosedBody, InnerBody};
use super::endpoint::TokenEndpoint;
use super::forward::Forward;
use super::grant_service::{PasswordGrantService, Reject};
use super::mount::Mount;
use crate::boundary::account::AccountKey;
use crate::boundary::audit::AccountDigest;
use crate::conductor::purpose::Purpose;

/// Puts the token endpoint in front of a service; everything else passes through. Made by
/// [`PasswordGrant::builder`](crate::PasswordGrant::builder).
///
/// Cloning is cheap, and all clones share their state. See the [manual](crate::manual::mounting) for what mounts where.
#[derive(Clone)]
pub struct PasswordGrantLayer<O = Reject, A = EnclosedBody> {
    mount: Arc<Mount>,
    others: O,
    bodies: A,
}

impl PasswordGrantLayer {
    pub(super) fn new(mount: Mount) -> Self {
        Self { mount: Arc::new(mount), others: Reject(()), bodies: EnclosedBody(()) }
    }
}

impl<A> PasswordGrantLayer<Reject, A> {
    /// The same endpoint as a leaf service, for routers that take one: `route_service("/oauth/token", ..)` in axum. It
    /// answers at whatever path it is mounted.
    #[must_use]
    pub fn endpoint(&self) -> TokenEndpoint {
        TokenEndpoint::new(Arc::clone(&self.mount.endpoint), Purpose::Token)
    }

    /// The revocation endpoint (RFC 7009) as a leaf service, with or without a
    /// [path](crate::token::RevocationEndpoint::at) of the layer.
    #[must_use]
    pub fn revocation_endpoint(&self) -> TokenEndpoint {
        TokenEndpoint::new(Arc::clone(&self.mount.endpoint), Purpose::Revocation)
    }

    /// The introspection endpoint (RFC 7662) as a leaf service, with or without a
    /// [path](crate::token::IntrospectionEndpoint::at) of the layer.
    #[must_use]
    pub fn introspection_endpoint(&self) -> TokenEndpoint {
        TokenEndpoint::new(Arc::clone(&self.mount.endpoint), Purpose::Introspection)
    }
}

impl<A> PasswordGrantLayer<Reject, A> {
    /// Hands requests for other grant types to the inner service, with their body rebuilt by `body`
    /// (`axum::body::Body::from`, `http_body_util::Full::new` ...), so that an existing token endpoint at the same path
    /// can gain the password grant.
    ///
    /// Only POSTs of forms are read then, and of JSON in a [profile](crate::mount::Profile) that reads it: every other request
    /// for the path passes through untouched. What is read and is malformed, names no grant type or is too large is answered
    /// here; so is JSON that is no [flat object](crate::manual::errors#json-bodies), whatever grant it asks for. Unlike the
    /// default mode this one asks the inner service for `Clone`, because it is called after the body was read.
    ///
    /// The realm grant is no other grant, unless the registry [names its clients](crate::ClientRegistry::all_clients) and none of
    /// them may use it.
    ///
    /// The inner service must not serve the password grant itself any more: a body that is not read here (JSON by default, in
    /// every profile another character set or two media types) would reach it past the budget of attempts. What it is given was
    /// not checked here: neither transport nor origin, query or client.
    #[must_use]
    pub fn forward_other_grants<B>(self, body: fn(Bytes) -> B) -> PasswordGrantLayer<Forward<B>, A> {
        PasswordGrantLayer { mount: self.mount, others: Forward::new(body), bodies: self.bodies }
    }
}

impl<O> PasswordGrantLayer<O> {
    /// Answers with the inner service's own type of body, which `body` makes of the endpoint's bytes (`axum::body::Body::from`,
    /// `http_body_util::Full::new` ...). Default: the two are enclosed in one type, [`ResponseBody`](crate::mount::ResponseBody), which
    /// fits around any service.
    ///
    /// Change it to put the layer around a whole axum router, whose type of body `axum::serve` asks for: `Router::layer` puts it
    /// around each route instead, and boxes routes, futures and bodies, which costs a tenth of the processor time of a token
    /// request.
    ///
    /// ```no_run
    /// # use std::net::SocketAddr;
    /// use axum::body::Body;
    /// use axum::extract::Request;
    /// use axum::routing::get;
    /// use axum::{Router, ServiceExt};
    /// use tower::Layer as _;
    /// # use tower_password_grant::PasswordGrantLayer;
    ///
    /// # async fn serve(layer: PasswordGrantLayer, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// let router = Router::new().route("/", get(|| async { "hello" }));
    /// let app = layer.with_body(Body::from).layer(router);
    /// let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    /// axum::serve(listener, app).await
    /// # }
    /// ```
    #[must_use]
    pub fn with_body<B>(self, body: fn(Bytes) -> B) -> PasswordGrantLayer<O, InnerBody<B>> {
        PasswordGrantLayer { mount: self.mount, others: self.others, bodies: InnerBody(body) }
    }
}

impl<O, A> PasswordGrantLayer<O, A> {
    /// The digest under which events and the audit name this account of this realm (`None` for one without a realm), until the process ends, or as long as the [shared
    /// key](crate::limiter::AttackProtection::shared_key) is the same: to find the account behind a
    /// digest, compare it with those of the accounts that you have. With `Argon2Verifier` an account is
    /// [`resolved`](AccountKey::resolved) from its id; with `count_by_login_name`, and with a verifier without an `account_key`
    /// of its own, it is the [`canonical`](AccountKey::canonical) name. A name without an account is a
    /// [`phantom`](AccountKey::phantom). The realm is that of the event: one id in two realms is two accounts.
    ///
    /// Keep it for operators alone: it answers whether a digest in a log stands for an account.
    #[must_use]
    pub fn account_digest(&self, realm: Option<&str>, account: &AccountKey<'_>) -> AccountDigest {
        self.mount.endpoint.account_digest(realm, account)
    }
}

impl<S, O: Clone, A: Clone> Layer<S> for PasswordGrantLayer<O, A> {
    type Service = PasswordGrantService<S, O, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let (mount, others, bodies) = (Arc::clone(&self.mount), self.others.clone(), self.bodies.clone());
        PasswordGrantService { inner, mount, others, bodies }
    }
}

impl<O, A> fmt::Debug for PasswordGrantLayer<O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordGrantLayer").field("routes", &self.mount.routes).finish_non_exhaustive()
    }
}
