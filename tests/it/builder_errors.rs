//! What a wrong configuration is told by `build()`: which setting, and its cure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tower_password_grant::audit::{AuditEvent, AuditSink};
use tower_password_grant::client::{ClientAuthMethod, ClientAuthentication, ClientBuilder};
use tower_password_grant::clock::{Clock, SystemClock};
use tower_password_grant::grant::ExtensionGrant;
use tower_password_grant::limiter::{AttackProtection, AttemptLimiter, MemoryLimiter};
use tower_password_grant::mount::{PublicDocument, RequestLimits, TransportSecurity};
use tower_password_grant::rules::{LoginRule, Ruling, rule_fn};
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::{IntrospectionEndpoint, MissingScope, RefreshTokens, RevocationEndpoint};
use tower_password_grant::{
    Client, ClientRegistry, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    TokenIssuer,
};

use crate::support::faults;
use crate::support::grants::OwnGrant;
use crate::support::protection::counted_by;
use crate::support::{self, Document, FixtureBuilder, Probe, builder, digest, send, token_request};

/// A grant with this type, which denies everything.
fn named(name: &'static str) -> OwnGrant {
    OwnGrant::new(name, &[], |_| Ok(Denial::UnknownUser.into()))
}

/// A rule with this name, which lets everything go on.
fn rule(name: &str) -> impl LoginRule + use<> {
    rule_fn(name.to_owned(), |_| async { Ok(Ruling::proceed()) })
}

type Change = fn(FixtureBuilder) -> FixtureBuilder;

const MINUTE: Duration = Duration::from_secs(60);

fn in_memory() -> RefreshTokens {
    RefreshTokens::in_store(MemoryRefreshTokens::new())
}

#[test]
fn build_names_what_is_wrong_and_its_cure() {
    let wrong: [(Change, &str); 40] = [
        (|b| b.token_path("oauth/token"), "the path `oauth/token` must start with `/`"),
        (|b| b.token_path(""), "the path `` must start with `/`"),
        (|b| b.token_path("/token?x=1"), "the path `/token?x=1` must start with `/` and have no query"),
        (|b| b.token_path("/token#x"), "have no query and no fragment"),
        (|b| b.token_path("/to ken"), "the path `/to ken`"),
        (|b| b.token_path("/{tenant}/token"), "nor parameters in braces"),
        (|b| b.token_path("/token/{id}"), "the path `/token/{id}`"),
        (|b| b.document("jwks", Document), "the path `jwks`"),
        (|b| b.document("/oauth/token", Document), "the path `/oauth/token` is used twice"),
        (|b| b.document("/a", Document).document("/a", Document), "the path `/a` is used twice"),
        (|b| b.rule(rule("")), "the name \"\" of a login rule must have 1 to 100 characters"),
        (|b| b.rule(rule("a\nb")), "the name \"a\\nb\" of a login rule"),
        (|b| b.rule(rule(&"x".repeat(101))), "1 to 100 characters, and no control character"),
        (|b| b.rule(rule("a")).rule(rule("b")).rule(rule("a")), "two login rules have the name `a`"),
        (|b| b.scope_ceiling("read  write"), "the scope `read  write` is malformed"),
        (|b| b.scope_ceiling(""), "the scope `` is malformed"),
        (|b| b.scope_ceiling("re\"ad"), "the scope `re\"ad` is malformed"),
        (|b| b.access_token_lifetime(Duration::from_millis(999)), "a lifetime of 999ms is less than a second"),
        (|b| b.public_url("as.example"), "the public URL `as.example` must be an http or https URL with a host"),
        (|b| b.public_url("https://user@as.example"), "without a user"),
        (|b| b.public_url("ftp://as.example"), "the public URL `ftp://as.example`"),
        (|b| b.request_limits(RequestLimits::new().max_body(0)), "a body limit of 0 bytes refuses every request"),
        (
            |b| b.attack_protection(AttackProtection::new().exempt_networks(["::/0".parse().unwrap()])),
            "the network `::/0` would lift the rules for everybody",
        ),
        (|b| b.error_uri(""), "`error_uri` must be a URI"),
        (|b| b.error_uri("https://as.example/ errors"), "`error_uri` must be a URI without spaces"),
        (|b| b.error_uri("https://as.example/\"x"), "`error_uri` must be a URI"),
        (|b| b.challenge_realm("a\"b"), "the challenge's realm must be printable ASCII"),
        (|b| b.challenge_realm("a\r\nb"), "the challenge's realm must be printable ASCII"),
        (|b| b.challenge_realm("caf\u{e9}"), "the challenge's realm must be printable ASCII"),
        (|b| b.extension_grant(named("password")), "the extension grant type `password` must be an absolute URI"),
        (|b| b.extension_grant(named("")), "the extension grant type `` must be an absolute URI"),
        (|b| b.extension_grant(named("urn:x y")), "the extension grant type `urn:x y`"),
        (
            |b| b.extension_grant(named("urn:x:y")).extension_grant(named("urn:x:y")),
            "the grant type `urn:x:y` is served twice",
        ),
        (
            |b| {
                let proxies = TransportSecurity::forwarded_by(["192.0.2.0/24".parse().unwrap()]);
                b.peer_address(PeerAddress::unknown()).transport_security(proxies)
            },
            "needs a peer address to know its proxies by",
        ),
        (|b| b.refresh_tokens(in_memory().lifetime(MINUTE / 100)), "a lifetime of 600ms is less than a second"),
        (|b| b.refresh_tokens(in_memory().idle_lifetime(MINUTE / 100)), "a lifetime of 600ms is less than a second"),
        (
            |b| b.refresh_tokens(in_memory().access_token_lifetime(MINUTE / 100)),
            "a lifetime of 600ms is less than a second",
        ),
        (
            |b| b.refresh_tokens(in_memory().leeway(MINUTE * 2)),
            "a refresh token's leeway of 120s is more than 60 seconds",
        ),
        (
            |b| b.revocation(RevocationEndpoint::at("/oauth/revoke")),
            "a revocation endpoint needs `.refresh_tokens(..)`, `.access_tokens(..)` or both",
        ),
        (
            |b| b.refresh_tokens(in_memory()).introspection(IntrospectionEndpoint::at("/oauth/introspect")),
            "an introspection endpoint needs `.access_tokens(..)`",
        ),
    ];
    for (change, message) in wrong {
        let error = change(builder(&Probe::default())).build().unwrap_err();
        assert!(error.to_string().contains(message), "{error} / {message}");
    }
}

#[test]
fn a_main_that_fails_prints_the_cure() {
    let scope = builder(&Probe::default()).scope_ceiling("a  b").build().unwrap_err();
    assert!(format!("{scope:?}").contains("`a  b` is malformed: a scope is one to 100 tokens"), "{scope:?}");
    let public = Client::public("cli").secret(&digest("x"), None).build().unwrap_err();
    assert!(format!("{public:?}").contains("`Client::confidential` needs a secret"), "{public:?}");
}

#[test]
fn a_peer_address_must_be_chosen() {
    let open = PasswordGrant::builder()
        .clients(StaticClients::new([]).unwrap())
        .verifier(faults::Users::new())
        .issuer(faults::Issuer::new());
    // As `main` and `unwrap` print it.
    let error = format!("{:?}", open.build().unwrap_err());
    assert!(error.contains("call `.peer_address(PeerAddress::extension(..))`"), "{error}");
}

#[test]
fn unusual_but_right_configurations_are_accepted() {
    let right: [Change; 10] = [
        |b| b.refresh_tokens(in_memory().lifetime(MINUTE).leeway(MINUTE).idle_lifetime(MINUTE)),
        |b| b.token_path("/"),
        |b| b.token_path("/a/b;c/%20"),
        |b| b.document("/jwks.json", Document),
        |b| b.missing_scope(MissingScope::Refuse).scope_ceiling("read"),
        |b| b.missing_scope(MissingScope::Scopeless).without_password_grant(),
        |b| b.extension_grant(named("urn:ietf:params:oauth:grant-type:jwt-bearer")),
        |b| b.extension_grant(named("https://as.example/grant")).extension_grant(named("urn:x:y")),
        |b| b.error_uri("/errors#oauth").challenge_realm(""),
        |b| {
            b.request_limits(RequestLimits::new().max_body(1).deadline(None).body_deadline(None))
                .access_token_lifetime(Duration::MAX)
        },
    ];
    for change in right {
        change(builder(&Probe::default())).build().unwrap();
    }
}

#[tokio::test]
async fn every_part_is_accepted_behind_an_arc() {
    let probe = Probe::default();
    let clients: Arc<dyn ClientRegistry> = Arc::new(StaticClients::new(support::clients()).unwrap());
    let verifier: Arc<dyn CredentialVerifier> = Arc::new(probe.clone());
    let issuer: Arc<dyn TokenIssuer> = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()));
    let limiter: Arc<dyn AttemptLimiter> = Arc::new(MemoryLimiter::new());
    let method: Arc<dyn ClientAuthMethod> = Arc::new(faults::Ticket::new().method());
    let grant: Arc<dyn ExtensionGrant> = Arc::new(named("urn:x:y"));
    let document: Arc<dyn PublicDocument> = Arc::new(support::Document);
    let login_rule: Arc<dyn LoginRule> = Arc::new(rule("a"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let events = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&events);
    let sink: Arc<dyn AuditSink> = Arc::new(move |_: &AuditEvent<'_>| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let layer = PasswordGrant::builder()
        .clients(clients)
        .verifier(verifier)
        .issuer(issuer)
        .attack_protection(counted_by(limiter))
        .client_auth_method(method)
        .extension_grant(grant)
        .rule(login_rule)
        .document("/document", document)
        .clock(clock)
        .audit(sink)
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    send(&layer, token_request(support::AUTH, support::PW)).await.assert_ok();
    let body = "grant_type=urn:x:y";
    send(&layer, token_request(support::AUTH, body)).await.assert_error(400, "unauthorized_client");
    assert_eq!((probe.calls(), events.load(Ordering::Relaxed)), (1, 2));
}

#[test]
fn a_client_that_cannot_be_registered_is_told_why() {
    let secret = digest("s3cret");
    let wrong: [(ClientBuilder, &str); 12] = [
        (Client::public(""), "1 to 256 printable ASCII"),
        (Client::public(&"x".repeat(257)), "1 to 256 printable ASCII"),
        (Client::public("a\nb"), "1 to 256 printable ASCII"),
        (Client::confidential("a", &digest("")), "must not be empty"),
        (Client::confidential("a", &secret).secret(&secret, None).secret(&secret, None), "at most two secrets"),
        (Client::public("a").secret(&secret, None), "do not fit its way of authentication"),
        (
            Client::confidential("a", &secret).authenticate_by(ClientAuthentication::None),
            "do not fit its way of authentication",
        ),
        (Client::public("a").scopes("a  b"), "a scope of the client is malformed"),
        (Client::public("a").scopes("a").default_scope("b"), "the default scope is not within `scopes`"),
        (Client::public("a").allow_origin("https://app.example/"), "without a final slash"),
        (Client::public("a").allow_origin("App.example"), "an origin is a scheme, a host"),
        (Client::public("a").access_token_lifetime(Duration::from_millis(1)), "less than a second"),
    ];
    for (builder, message) in wrong {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(message), "{error} / {message}");
    }
    let twice = [Client::public("a").build().unwrap(), Client::public("a").build().unwrap()];
    assert_eq!(
        StaticClients::new(twice).unwrap_err().to_string(),
        "two clients have the id `a`: give each one of its own"
    );
}
