//! Secrets of every kind are sent through every field while everything that the endpoint says is captured at TRACE:
//! events, audit, metrics, answers, and the `Debug` of everything that a trait is given. None appears, in no encoding.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{AuthRequest, ClientAuthMethod};
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Limits, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling};
use tower_password_grant::store::{MemoryAccessTokens, SecretDigest};
use tower_password_grant::token::Token;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientSecret, CredentialVerifier, Denial, Grant, IssuedTokens, OpaqueIssuer,
    Password, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients, Subject, TokenIssuer, Verdict,
};

use crate::support::auth_method::OwnMethod;
use crate::support::capture::{self, Audited, Capture};
use crate::support::grants::OwnGrant;
use crate::support::notation;
use crate::support::protection::counted_by;
use crate::support::{self, CONF, basic, panics, token_request};

/// Letters and digits only, so that no escaping hides it.
fn canary(kind: usize) -> String {
    format!("C4nary{kind:02}Xq7Zt3Kw9Lm5Rb2Vh8Np")
}

const ACCESS: usize = 90;
const REFRESH: usize = 91;
const SECRET: usize = 92;
const RIGHT: usize = 93;
const ID: usize = 94;

/// The forms in which a secret could show: as it is, in hexadecimal, and in base64 at each of the three alignments.
fn traces(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let percent: String = secret.bytes().map(|b| format!("%{b:02X}")).collect();
    let bytes = format!("{:?}", secret.as_bytes());
    let mut traces = vec![secret.to_owned(), hex, percent, bytes.trim_matches(['[', ']']).to_owned()];
    for shift in 0..3 {
        for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(format!("{}{secret}", "x".repeat(shift)));
            // The first and last groups depend on what stands around.
            traces.push(encoded[4..encoded.len() - 5].to_owned());
        }
    }
    traces
}

/// Keeps the `Debug` of whatever the traits are given, and can be told to fail.
#[derive(Clone)]
struct Parts {
    shown: Arc<Mutex<String>>,
    limiter: Arc<MemoryLimiter>,
}

impl Parts {
    fn show(&self, what: &dyn Debug) {
        self.shown.lock().unwrap().push_str(&format!("{what:?} {what:#?}\n"));
    }

    fn method(&self) -> impl ClientAuthMethod + use<> {
        let (claimed, verified) = (self.clone(), self.clone());
        let claim = move |request: &AuthRequest<'_>| {
            claimed.show(request);
            request.field("assert").map(|_| "pkjwt".to_owned())
        };
        OwnMethod::new("private_key_jwt", "X-Assertion realm=\"api\"", claim, move |client, request| {
            verified.show(&(client, request));
            MaybeFuture::ready(Ok(false))
        })
    }

    fn grant(&self) -> OwnGrant {
        let parts = self.clone();
        let grant = OwnGrant::new("urn:x:code", &["code"], move |request| {
            parts.show(request);
            Ok(Denial::WrongPassword.into())
        });
        grant.on_account(|request| request.field("code").map(AccountKey::resolved))
    }
}

#[async_trait]
impl CredentialVerifier for Parts {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.show(&(&attempt, attempt.password(), attempt.client(), AccountKey::canonical(attempt.username())));
        match attempt.field("fail") {
            Some("down") => return Err(BackendError::unavailable("the database is down")),
            Some("panic") => panic!("on purpose: {}", attempt.password().expose()),
            _ => {}
        }
        let right = attempt.password().expose() == canary(RIGHT);
        let password = attempt.into_password();
        self.show(&password);
        Ok(if right { Subject::new("user-1").with_data(password).into() } else { Denial::UnknownUser.into() })
    }
}

#[async_trait]
impl TokenIssuer for Parts {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.show(&(&grant, grant.subject()));
        let issued = IssuedTokens::bearer(Token::new(canary(ACCESS)), Duration::from_secs(60))
            .with_refresh_token(Token::new(canary(REFRESH)))
            .with_id_token(Token::new(canary(ID)));
        self.show(&issued);
        Ok(issued)
    }
}

impl AttemptLimiter for Parts {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        self.show(&(key, &key.guess));
        self.limiter.reserve(key)
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        self.limiter.settle(reservation, settlement)
    }
}

#[async_trait]
impl LoginRule for Parts {
    fn name(&self) -> &str {
        "parts"
    }

    async fn apply(&self, login: LoginEvent) -> Result<Ruling, BackendError> {
        self.show(&(&login, login.subject(), login.claims(), login.client()));
        let ruling = Ruling::proceed().claim("data", canary(RIGHT))?.member("data", canary(RIGHT))?;
        self.show(&ruling);
        Ok(ruling)
    }
}

struct Ear {
    layer: PasswordGrantLayer,
    parts: Parts,
    audit: Arc<Mutex<Vec<Audited>>>,
    capture: Capture,
    answers: String,
    sent: usize,
}

impl Ear {
    fn new(capture: Capture) -> Self {
        // A large budget, or most canaries would never get as far as the verifier.
        let limiter = MemoryLimiter::new().with_limits(Limits::new().with_budget(100_000, Duration::from_secs(60)));
        let parts = Parts { shown: Arc::default(), limiter: Arc::new(limiter) };
        let (audit, sink) = capture::sink();
        let full = |client: tower_password_grant::client::ClientBuilder| {
            let client = client.allow_password_grant().allow_grant("urn:x:code").scopes("read").default_scope("read");
            client.build().unwrap()
        };
        let clients = [
            full(Client::confidential("conf", &SecretDigest::of("s3cret"))),
            full(Client::confidential("own", &ClientSecret::new(canary(SECRET)).digest())),
            full(Client::public("pub")),
            full(Client::with_method("pkjwt", "private_key_jwt")),
        ];
        let clients = StaticClients::new(clients).unwrap();
        let builder = PasswordGrant::builder()
            .clients(clients.clone())
            .verifier(parts.clone())
            .issuer(parts.clone())
            .attack_protection(counted_by(parts.clone()))
            .client_auth_method(parts.method())
            .extension_grant(parts.grant())
            .rule(parts.clone())
            .audit(sink)
            .profile(notation::profile())
            .peer_address(PeerAddress::socket_addr());
        parts.show(&(&builder, clients, MemoryLimiter::new()));
        let layer = builder.build().unwrap();
        Self { layer, parts, audit, capture, answers: String::new(), sent: 0 }
    }

    async fn send(&mut self, request: Request<http_body_util::Full<bytes::Bytes>>) {
        let answer = support::send(&self.layer, request).await;
        let body = if answer.status == 200 { String::new() } else { format!("{:?}", answer.body) };
        self.answers.push_str(&format!("{:?} {body}\n", answer.headers));
        self.sent += 1;
    }

    /// All that anybody but the client could read, and what the client reads of an error.
    fn heard(&self) -> String {
        let audit: String = self.audit.lock().unwrap().iter().map(|event| event.shown.clone()).collect();
        let values = format!("{:?}", self.capture.events());
        [self.capture.text(), values, audit, self.parts.shown.lock().unwrap().clone(), self.answers.clone()].concat()
    }
}

/// The fields that a body may have; the canary of each goes by its place.
const FIELDS: [&str; 14] = [
    "grant_type",
    "username",
    "password",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "refresh_token",
    "access_token",
    "code",
    "otp",
    "audience",
    "assert",
];

/// Requests with a canary in every place that there is, alone and among otherwise good fields.
fn requests() -> Vec<Request<http_body_util::Full<bytes::Bytes>>> {
    let mut requests = Vec::new();
    let good = [("grant_type", "password"), ("username", "alice"), ("password", "x"), ("scope", "read")];
    for (kind, field) in FIELDS.into_iter().enumerate() {
        let secret = canary(kind);
        let others = |skip: &str| {
            let kept = good.iter().filter(|(name, _)| *name != skip);
            kept.map(|(name, value)| format!("&{name}={value}")).collect::<String>()
        };
        let ways: [&[(&str, &str)]; 3] = [&[("authorization", CONF)], &[], &[("authorization", "Bearer x")]];
        for headers in ways {
            let bodies = [
                format!("{field}={secret}{}", others(field)),
                format!("{field}={secret}{}&client_id=pub", others(field)),
                format!("{field}={secret}"),
                format!("{secret}={secret}{}&client_id=pub", others("")),
                format!("{field}={secret}%zz{}", others(field)),
                format!("{field}={secret}%0d%0a{}&client_id=pub", others(field)),
                format!("{field}={secret}&{field}={secret}{}", others(field)),
                format!("{field}={secret}{}&client_id=pub&fail=down", others(field)),
                format!("{field}={secret}{}&client_id=pub&fail=panic", others(field)),
                format!("grant_type=urn:x:code&code=1&{field}={secret}&client_id=pub"),
            ];
            requests.extend(bodies.iter().map(|body| token_request(headers, body)));
        }
        // The same in the query.
        let mut query = token_request(&[("authorization", CONF)], support::PW);
        *query.uri_mut() = format!("/oauth/token?{field}={secret}").parse().unwrap();
        requests.push(query);
    }
    // In the header: as id, as secret, as a bearer token, as anything.
    for (offset, value) in [
        basic(&canary(20), "x"),
        basic("conf", &canary(21)),
        basic(&canary(22), &canary(23)),
        basic(&format!("a%{}", canary(24)), &format!("+{}", canary(25))),
        format!("Bearer {}", canary(26)),
        format!("Basic {}", canary(27)),
        canary(28),
    ]
    .iter()
    .enumerate()
    {
        requests.push(token_request(&[("authorization", value)], support::PW));
        let name = ["origin", "content-type", "sec-fetch-site", "x-forwarded-proto", "cookie", "host", "dpop"][offset];
        requests.push(token_request(&[("authorization", CONF), (name, &canary(29))], support::PW));
    }
    // Right ones: the password, the client's secret in both places, and the issued tokens.
    let right = format!("grant_type=password&username=alice&password={}", canary(RIGHT));
    requests.push(token_request(&[("authorization", &basic("own", &canary(SECRET)))], &right));
    let body = format!("{right}&client_id=own&client_secret={}", canary(SECRET));
    requests.push(token_request(&[], &body));
    requests
}

#[tokio::test]
pub async fn no_secret_appears_in_events_audit_debug_metrics_and_answers_pw_14() {
    panics::quiet();
    let (capture, _guard) = Capture::listen();
    #[cfg(feature = "metrics")]
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    #[cfg(feature = "metrics")]
    let _recording = metrics::set_default_local_recorder(&recorder);

    let mut ear = Ear::new(capture.clone());
    capture.clear();
    for request in requests() {
        ear.send(request).await;
    }
    assert!(ear.sent > 400);
    assert_eq!(capture.events().len(), ear.sent, "there is one event for each answer");
    assert_eq!(capture.text().lines().count(), ear.sent, "each event is one line");
    assert_eq!(ear.audit.lock().unwrap().len(), ear.sent);
    let issued = ear.audit.lock().unwrap().iter().filter(|event| event.issued.is_some()).count();
    assert_eq!(issued, 2);

    #[allow(unused_mut)]
    let mut heard = ear.heard();
    #[cfg(feature = "metrics")]
    heard.push_str(&recorder.handle().render());
    assert!(!heard.contains("alice"), "a user name was told");
    for kind in (0..30).chain([ACCESS, REFRESH, SECRET, RIGHT, ID]) {
        for trace in traces(&canary(kind)) {
            if let Some(at) = heard.find(&trace) {
                let line = heard[..at].rfind('\n').map_or(0, |start| start + 1);
                panic!("canary {kind} sang: {}", &heard[line..at + trace.len()]);
            }
        }
    }
}

#[tokio::test]
pub async fn no_token_appears_in_events_audit_debug_metrics_and_other_answers_pw_14_t69() {
    let (capture, _guard) = Capture::listen();
    #[cfg(feature = "metrics")]
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    #[cfg(feature = "metrics")]
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (audit, sink) = capture::sink();
    let tokens = support::tokens::Tokens::with(support::tokens::clients(), |builder| builder.audit(sink));
    let (own, public) = (tokens.login("conf").await, tokens.login("pub").await);
    let next = tokens.refresh("conf", &own.refresh).await.assert_ok();
    let text = |name: &str| next[name].as_str().unwrap().to_owned();
    let unknown = [format!("rt_{}{}", canary(0), "A".repeat(14)), format!("at_{}{}", canary(1), "A".repeat(14))];
    let odd = [canary(2), format!("eyJhbGciOiJub25lIn0.{}.", canary(3))];
    let mut secrets =
        vec![own.access, own.refresh, public.access, public.refresh, text("access_token"), text("refresh_token")];
    secrets.extend(unknown.into_iter().chain(odd));
    let mut heard = String::new();
    let mut sent = 3;
    for round in 0..2 {
        // In the second round what was spent is replayed, and what was revoked is presented again.
        for secret in &secrets {
            for client in ["conf2", "pub2", "rs", "conf", "pub"] {
                let introspected = tokens.post("/oauth/introspect", client, &format!("token={secret}")).await;
                // Its answer has no place for a token either.
                heard.push_str(&format!("{:?} {:?}", introspected.headers, introspected.body));
                let odd = format!("token={secret}%0a&{secret}={secret}&token_type_hint={secret}");
                for path in ["/oauth/introspect", "/oauth/revoke"] {
                    heard.push_str(&format!("{:?}", tokens.post(path, client, &odd).await));
                }
                let refreshed = tokens.refresh(client, &format!("{secret}%20")).await;
                heard.push_str(&format!("{refreshed:?}"));
                sent += 4;
                if round == 1 {
                    let refreshed = tokens.refresh(client, secret).await;
                    if refreshed.status != 200 {
                        heard.push_str(&format!("{refreshed:?}"));
                    }
                    heard.push_str(&format!("{:?}", tokens.revoke(client, secret).await));
                    sent += 2;
                }
            }
            tokens.clock.advance(Duration::from_secs(20));
        }
    }
    assert!(tokens.count(tower_password_grant::audit::Reason::RefreshTokenReplayed) <= 1);
    assert_eq!(audit.lock().unwrap().len(), sent);
    let replayed = audit.lock().unwrap().iter().filter(|event| event.shown.contains("Replayed")).count();
    assert_eq!(replayed, 1, "the canaries got that far");
    heard.extend(audit.lock().unwrap().iter().map(|event| event.shown.clone()));
    heard.push_str(&format!("{} {:?}", capture.text(), capture.events()));
    heard.push_str(&format!("{:?} {:?} {:?}", tokens.layer, tokens.access, tokens.layer.revocation_endpoint()));
    #[cfg(feature = "metrics")]
    heard.push_str(&recorder.handle().render());
    for secret in &secrets {
        let digest: String = SecretDigest::of(secret).as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        let raw = format!("{:?}", SecretDigest::of(secret).as_bytes());
        for trace in traces(secret).into_iter().chain([digest, raw]) {
            if let Some(at) = heard.find(&trace) {
                let start = at.saturating_sub(200);
                panic!("{secret} sang: {}", heard.get(start..at + trace.len()).unwrap_or_default());
            }
        }
    }
}

#[test]
fn the_traces_would_be_found() {
    let secret = canary(RIGHT);
    let header = basic("own", &secret);
    for text in [secret.clone(), header, format!("{:?}", secret.as_bytes()), URL_SAFE_NO_PAD.encode(&secret)] {
        assert!(traces(&secret).iter().any(|trace| text.contains(trace)), "{text}");
    }
}

#[test]
fn no_value_that_holds_a_secret_shows_it() {
    let secret = canary(0);
    let tokens = Arc::new(MemoryAccessTokens::new());
    let issued = IssuedTokens::bearer(Token::new(secret.clone()), Duration::from_secs(1))
        .with_refresh_token(Token::new(secret.clone()))
        .with_id_token(Token::new(secret.clone()))
        .with_extra("device_secret", secret.clone())
        .unwrap();
    let values: Vec<Box<dyn Debug>> = vec![
        Box::new(Password::new(secret.clone())),
        Box::new(Token::new(secret.clone())),
        Box::new(ClientSecret::new(secret.clone())),
        Box::new(SecretDigest::of(&secret)),
        Box::new(issued),
        Box::new(Subject::new("id").with_data(secret.clone())),
        Box::new(Client::confidential("conf", &SecretDigest::of(&secret))),
        Box::new(Client::confidential("conf", &SecretDigest::of(&secret)).build()),
        Box::new(OpaqueIssuer::new(tokens)),
    ];
    let digest: String = SecretDigest::of(&secret).as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    for value in values {
        let shown = format!("{value:?} {value:#?}");
        assert!(traces(&secret).iter().all(|trace| !shown.contains(trace)), "{shown}");
        assert!(!shown.contains(&digest) && !shown.contains(&format!("{:?}", SecretDigest::of(&secret).as_bytes())));
    }
}

#[tokio::test]
async fn services_futures_and_bodies_show_nothing_of_their_request() {
    let (layer, secret) = (support::Fixture::new().layer, canary(0));
    let body = format!("grant_type=password&username=alice&password={secret}&client_id=pub");
    let inner = tower::service_fn(|_: Request<String>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let request = || {
        let mut request = token_request(&[("authorization", &basic("conf", &secret))], "").map(|_| body.clone());
        request.extensions_mut().insert("192.0.2.1:1".parse::<std::net::SocketAddr>().unwrap());
        request
    };
    let service = layer.layer(inner);
    let mut shown =
        format!("{layer:?} {:?} {:?}", layer.endpoint(), layer.clone().forward_other_grants(|_| String::new()));
    let mut ready = service;
    shown.push_str(&format!("{:?}", tower::Service::call(&mut ready, request())));
    let mut leaf = layer.endpoint();
    shown.push_str(&format!("{:?}", tower::Service::call(&mut leaf, request())));
    shown.push_str(&format!("{:?}", layer.endpoint().oneshot(request()).await.unwrap().body()));
    assert!(traces(&secret).iter().all(|trace| !shown.contains(trace)), "{shown}");
}
