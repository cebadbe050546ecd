use std::time::Duration;

use http::HeaderName;

use super::builder::Builder;
use super::danger::Danger;
use crate::boundary::transport::TransportSecurity;
use crate::protocol::client::policy::MissingScope;

/// What is granted, and what is accepted.
impl<C, V, I> Builder<C, V, I> {
    /// What a request is granted that asks for no scope. Default: [`MissingScope::ClientDefault`]. Change it where all clients
    /// share a default, where defaults hide what a client really needs, or where scopes are not used.
    pub fn missing_scope(mut self, rule: MissingScope) -> Self {
        self.options.missing_scope = rule;
        self
    }

    /// The most that this endpoint grants, whatever clients are registered for; more is silently left out and `scope`
    /// in the answer says so. Default: no limit. RFC 6749 section 10.7 advises to keep this grant's scope small.
    pub fn scope_ceiling(mut self, scope: impl Into<String>) -> Self {
        self.options.scope_ceiling = Some(scope.into());
        self
    }

    /// How long access tokens live, in whole seconds, for clients without their own lifetime. Default: one hour, the
    /// most that RFC 6750 section 5.3 advises.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.lifetime = lifetime;
        self
    }

    /// Where browsers find this server, such as `https://login.example`; a path behind it does not matter. A page that logs in
    /// from a browser is then one of your own only if its whole origin is that one (RFC 6454), whatever `Sec-Fetch-Site` says:
    /// to the browser of a victim, a hostile name that was bound to this server's address is the same site.
    ///
    /// Default: the [base URL](crate::mount::Metadata::base_url) of the [metadata](Self::metadata), or without metadata not known:
    /// then a page is your own if `Sec-Fetch-Site` says so, or without that header if its host and port are those that the
    /// request names, so that one that came over http counts as
    /// one of the https server of the same name. Set it whenever browsers reach the server; and where its pages are on another
    /// host than the metadata say. Pages of further origins belong on the list of [their
    /// client](crate::client::ClientBuilder::allow_origin).
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.options.public_url = Some(url.into());
        self
    }

    /// How the endpoint learns that a request came over TLS. Default: it does not ask.
    pub fn transport_security(mut self, policy: TransportSecurity) -> Self {
        self.options.transport = policy;
        self
    }

    /// The header in which a server that logs in for its users names the address of each. It counts only from clients
    /// that [may name it](crate::client::ClientBuilder::trust_end_user_address), and only as one bare address. Default:
    /// `auth0-forwarded-for`. Change it for clients that send another one; not to one that your proxies write.
    pub fn end_user_address_header(mut self, name: HeaderName) -> Self {
        self.options.end_user_header = name;
        self
    }

    /// The most bytes of a body. Default: 32 KiB. A larger one is answered 413 without being parsed. No memory is reserved for
    /// what was not sent yet: a body that comes slowly holds at most twice what came of it, from 512 bytes on.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// How long a body may take to arrive. Default: 10 seconds, then 408. `None` leaves it to an outer layer. Needs
    /// tokio's timer.
    pub fn body_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.options.deadlines.body = deadline;
        self
    }

    /// How long verifier, registry, issuer and limiter may take together, after the body was read. Default: 30 seconds,
    /// then 503; the attempt stays charged. `None` leaves it to an outer layer, and so are then
    /// [`store_deadline`](Self::store_deadline) and [`verifier_deadline`](Self::verifier_deadline) if they are not set.
    /// Needs tokio's timer.
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.options.deadlines.whole = deadline;
        self
    }

    /// How long one call of a part may take: a look-up of the registry, a charge or a settlement of the limiter, an account's
    /// key and the [recheck](crate::CredentialVerifier::recheck) of the verifier, a call of the issuer, of the refresh token
    /// store, of the verifier of access tokens, or of a client authentication method. Default: 5 seconds, or
    /// [`deadline`](Self::deadline) if that is shorter. A part that takes longer is cut off, which telemetry names,
    /// and the answer is 503 with `Retry-After`; the others are not waited for. A charge that was being made may stay, and
    /// one that was being settled does; so does that of a client authentication method, which should therefore end its own
    /// calls earlier and answer an `Err`. `None` leaves only `deadline`. Change it with the acquire time-out of your database
    /// pool, which must be shorter to show as its own error. Needs tokio's timer, but only for parts that are not ready
    /// at once.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses zero, and more than `deadline`.
    pub fn store_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.options.deadlines.store = Some(deadline);
        self
    }

    /// How long the verification of a user's credentials may take: [`verify`](crate::CredentialVerifier::verify) of the
    /// verifier and [`exchange`](crate::grant::ExtensionGrant::exchange) of an extension grant. Default: 10 seconds, or
    /// [`deadline`](Self::deadline) if that is shorter. It is longer than [`store_deadline`](Self::store_deadline), because
    /// hashes queue for the processor (`Argon2Verifier` refuses what waited for 5 seconds, and bounds its own look-ups).
    /// Afterwards the answer is 503, and the attempt stays charged: what was cut off may have been about to say no. `None`
    /// leaves only `deadline`. Needs tokio's timer, but only for verifiers that are not ready at once.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses zero, and more than `deadline`.
    pub fn verifier_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.options.deadlines.verifier = Some(deadline);
        self
    }

    /// Refuses client secrets in the body (`client_secret_post`). Default: they are accepted, as many clients send them
    /// there; RFC 6749 section 2.3.1 prefers the header.
    pub fn refuse_secrets_in_body(mut self) -> Self {
        self.options.post_allowed = false;
        self
    }

    /// Takes an `Authorization` header of another scheme than Basic as absent. Default: it is a failed client
    /// authentication. For clients that add an old bearer token to every request.
    pub fn ignore_foreign_schemes(mut self) -> Self {
        self.options.ignore_foreign_schemes = true;
        self
    }

    /// Refuses requests marked `Early-Data: 1` (RFC 8470) with 425. Default: off. For hosts whose proxy accepts TLS 1.3
    /// early data, which can be replayed.
    pub fn refuse_early_data(mut self) -> Self {
        self.options.refuse_early_data = true;
        self
    }

    /// A page about errors, sent as `error_uri` with each. Default: none.
    pub fn error_uri(mut self, uri: impl Into<String>) -> Self {
        self.options.error_uri = Some(uri.into());
        self
    }

    /// The `realm` of the Basic challenge. Default: `token endpoint`.
    pub fn challenge_realm(mut self, realm: impl Into<String>) -> Self {
        self.options.challenge_realm = realm.into();
        self
    }

    /// Choices that weaken the endpoint, apart from the others.
    pub fn danger(mut self, choose: impl FnOnce(Danger) -> Danger) -> Self {
        self.options.danger = choose(self.options.danger);
        self
    }
}
