//! The fixed order of checks: a request with several faults has one answer, that of the first check it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tower_password_grant::limiter::{Limits, MemoryLimiter};
use tower_password_grant::mount::{RequestLimits, SecureTransport, TransportSecurity};
use tower_password_grant::token::Token;
use tower_password_grant::{
    Attempt, BackendError, Denial, Grant, IssuedTokens, PasswordGrantLayer, Subject, Verdict, issue_fn, verify_fn,
};

use crate::support::protection::counted_by;
use crate::support::{Answer, Probe, WINDOW, basic, builder, send};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Path,
    Method,
    Transport,
    EarlyData,
    DeclaredLength,
    MediaType,
    Coding,
    Query,
    BodyLength,
    Encoding,
    Repeated,
    NoGrantType,
    TwoMethods,
    CrossSite,
    ClientThrottled,
    WrongSecret,
    GrantType,
    NotAllowed,
    Missing,
    Scope,
    UserThrottled,
    WrongPassword,
    Policy,
    Issuer,
}

impl Fault {
    /// Status, code and a piece of the description.
    fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Path => (200, "", ""),
            Self::Method => (405, "invalid_request", "POST"),
            Self::Transport => (400, "invalid_request", "come over TLS"),
            Self::EarlyData => (425, "invalid_request", "handshake"),
            Self::DeclaredLength | Self::BodyLength => (413, "invalid_request", "too large"),
            Self::MediaType => (400, "invalid_request", "x-www-form-urlencoded"),
            Self::Coding => (415, "invalid_request", "compressed"),
            Self::Query => (400, "invalid_request", "query"),
            Self::Encoding => (400, "invalid_request", "malformed"),
            Self::Repeated => (400, "invalid_request", "repeated"),
            Self::NoGrantType | Self::Missing => (400, "invalid_request", "missing"),
            Self::TwoMethods => (400, "invalid_request", "more than one way"),
            Self::CrossSite => (400, "invalid_request", "origin"),
            Self::ClientThrottled | Self::UserThrottled => (429, "too_many_attempts", ""),
            Self::WrongSecret => (401, "invalid_client", ""),
            Self::GrantType => (400, "unsupported_grant_type", ""),
            Self::NotAllowed => (400, "unauthorized_client", ""),
            Self::Scope | Self::Policy => (400, "invalid_scope", ""),
            Self::WrongPassword => (400, "invalid_grant", ""),
            Self::Issuer => (503, "temporarily_unavailable", ""),
        }
    }

    /// Whether the verifier is asked before this check.
    fn is_after_the_verifier(self) -> bool {
        matches!(self, Self::WrongPassword | Self::Policy | Self::Issuer)
    }
}

struct Endpoint {
    layer: PasswordGrantLayer,
    verified: Arc<AtomicUsize>,
    issued: Arc<AtomicUsize>,
}

fn endpoint() -> Endpoint {
    let (verified, issued) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (verifications, issues) = (Arc::clone(&verified), Arc::clone(&issued));
    let verifier = verify_fn(move |attempt: Attempt| {
        verifications.fetch_add(1, Ordering::SeqCst);
        let subject = Subject::new("user-1").with_data(attempt.field("issuer") == Some("down"));
        std::future::ready(Ok(match (attempt.password().expose(), attempt.field("policy")) {
            ("correct horse", None) => subject.into(),
            ("correct horse", Some(_)) => Verdict::granted_within(subject, "other".parse().unwrap()),
            _ => Denial::WrongPassword.into(),
        }))
    });
    let issuer = issue_fn(move |grant: Grant| {
        issues.fetch_add(1, Ordering::SeqCst);
        async move {
            if grant.subject().data() == Some(&true) {
                return Err(BackendError::unavailable("down"));
            }
            Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime()))
        }
    });
    let layer = builder(&Probe::default())
        .verifier(verifier)
        .issuer(issuer)
        .attack_protection(counted_by(MemoryLimiter::new().with_limits(Limits::new().with_budget(3, WINDOW))))
        .transport_security(TransportSecurity::marked())
        .refuse_early_data()
        .request_limits(RequestLimits::new().max_body(2048))
        .build()
        .unwrap();
    Endpoint { layer, verified, issued }
}

/// A good request with these faults.
fn request(faults: &[Fault]) -> Request<Full<Bytes>> {
    guess(faults, "wrong")
}

/// The same with this password where it is to be wrong. The same wrong one, denied twice, would count once.
fn guess(faults: &[Fault], wrong: &str) -> Request<Full<Bytes>> {
    let has = |fault| faults.contains(&fault);
    let path = if has(Fault::Path) { "/other" } else { "/oauth/token" };
    let query = if has(Fault::Query) { "?password=x" } else { "" };
    let (id, secret) = if has(Fault::NotAllowed) { ("svc", "svcpw") } else { ("conf", "s3cret") };
    let secret = if has(Fault::WrongSecret) { "wrong" } else { secret };
    let media = if has(Fault::MediaType) { "text/plain" } else { "application/x-www-form-urlencoded" };
    let mut request = Request::post(format!("{path}{query}"))
        .header("host", "as.example")
        .header("content-type", media)
        .header("authorization", basic(id, secret));
    for (fault, name, value) in [
        (Fault::EarlyData, "early-data", "1"),
        (Fault::DeclaredLength, "content-length", "10000000"),
        (Fault::Coding, "content-encoding", "gzip"),
        (Fault::CrossSite, "origin", "https://evil.example"),
    ] {
        if has(fault) {
            request = request.header(name, value);
        }
    }
    if has(Fault::Method) {
        request = request.method(Method::PUT);
    }
    if !has(Fault::Transport) {
        request = request.extension(SecureTransport);
    }
    let (long, wrong) = ("x".repeat(2048), format!("password={wrong}"));
    let mut body = Vec::new();
    if !has(Fault::NoGrantType) {
        body.push(if has(Fault::GrantType) { "grant_type=foo" } else { "grant_type=password" });
    }
    if !has(Fault::Missing) {
        body.push("username=alice");
    }
    body.push(if has(Fault::WrongPassword) { wrong.as_str() } else { "password=correct+horse" });
    for (fault, parameter) in [
        (Fault::BodyLength, long.as_str()),
        (Fault::Encoding, "foo=%zz"),
        (Fault::Repeated, "password=other"),
        (Fault::TwoMethods, "client_secret=s3cret"),
        (Fault::Scope, "scope=admin"),
        (Fault::Policy, "policy=none"),
        (Fault::Issuer, "issuer=down"),
    ] {
        if has(fault) {
            body.push(parameter);
        }
    }
    request.body(Full::new(Bytes::from(body.join("&")))).unwrap()
}

/// Sends a request with these faults; also tells how often the verifier and the issuer were asked.
async fn answer(faults: &[Fault]) -> (Answer, usize, usize) {
    let endpoint = endpoint();
    for (fault, wrong) in [(Fault::UserThrottled, Fault::WrongPassword), (Fault::ClientThrottled, Fault::WrongSecret)] {
        if faults.contains(&fault) {
            for password in ["one", "two", "three"] {
                assert_eq!(send(&endpoint.layer, guess(&[wrong], password)).await.status.as_u16(), wrong.answer().0);
            }
        }
    }
    let (verified, issued) = (endpoint.verified.load(Ordering::SeqCst), endpoint.issued.load(Ordering::SeqCst));
    let answer = send(&endpoint.layer, request(faults)).await;
    let verified = endpoint.verified.load(Ordering::SeqCst) - verified;
    (answer, verified, endpoint.issued.load(Ordering::SeqCst) - issued)
}

fn assert_is(answer: &(Answer, usize, usize), fault: Fault) {
    let (answer, verified, issued) = answer;
    if fault == Fault::Path {
        assert_eq!(answer.body, "inner");
    } else {
        let (status, code, piece) = fault.answer();
        answer.assert_error_about(status, code, piece);
    }
    assert_eq!(*verified, usize::from(fault.is_after_the_verifier()), "{fault:?}");
    assert_eq!(*issued, usize::from(fault == Fault::Issuer), "{fault:?}");
}

async fn pair(first: Fault, second: Fault) {
    assert_is(&answer(&[first]).await, first);
    assert_is(&answer(&[second]).await, second);
    assert_is(&answer(&[first, second]).await, first);
}

#[tokio::test]
async fn a_request_without_a_fault_gets_a_token_te_13() {
    let (answer, verified, issued) = answer(&[]).await;
    answer.assert_ok();
    assert_eq!((verified, issued), (1, 1));
}

macro_rules! order {
    ($($name:ident: $first:ident, $second:ident;)+) => {
        $(#[tokio::test]
        async fn $name() {
            pair(Fault::$first, Fault::$second).await;
        })+
    };
}

order! {
    path_before_method_te_13: Path, Method;
    method_before_transport_te_13: Method, Transport;
    transport_before_early_data_te_13: Transport, EarlyData;
    early_data_before_declared_length_te_13: EarlyData, DeclaredLength;
    declared_length_before_media_type_te_13: DeclaredLength, MediaType;
    media_type_before_coding_te_13: MediaType, Coding;
    coding_before_query_te_13: Coding, Query;
    query_before_body_length_te_13: Query, BodyLength;
    body_length_before_encoding_te_13: BodyLength, Encoding;
    body_length_before_repeated_parameters_te_13: BodyLength, Repeated;
    encoding_before_grant_type_missing_te_13: Encoding, NoGrantType;
    repeated_parameters_before_grant_type_missing_te_13: Repeated, NoGrantType;
    grant_type_missing_before_two_client_methods_te_13: NoGrantType, TwoMethods;
    two_client_methods_before_cross_site_te_13: TwoMethods, CrossSite;
    cross_site_before_client_throttle_te_13_ht_11: CrossSite, ClientThrottled;
    cross_site_before_client_authentication_te_13_ht_11: CrossSite, WrongSecret;
    client_throttle_before_client_authentication_te_13: ClientThrottled, WrongSecret;
    client_authentication_before_unsupported_grant_te_13: WrongSecret, GrantType;
    unsupported_grant_before_grant_not_allowed_te_13: GrantType, NotAllowed;
    grant_not_allowed_before_missing_parameters_te_13: NotAllowed, Missing;
    missing_parameters_before_scope_te_13: Missing, Scope;
    scope_before_user_throttle_te_13: Scope, UserThrottled;
    user_throttle_before_the_verifier_te_13: UserThrottled, WrongPassword;
    the_verifier_before_scope_policy_te_13: WrongPassword, Policy;
    scope_policy_before_the_issuer_te_13: Policy, Issuer;
}

const ORDER: [Fault; 24] = [
    Fault::Path,
    Fault::Method,
    Fault::Transport,
    Fault::EarlyData,
    Fault::DeclaredLength,
    Fault::MediaType,
    Fault::Coding,
    Fault::Query,
    Fault::BodyLength,
    Fault::Encoding,
    Fault::Repeated,
    Fault::NoGrantType,
    Fault::TwoMethods,
    Fault::CrossSite,
    Fault::ClientThrottled,
    Fault::WrongSecret,
    Fault::GrantType,
    Fault::NotAllowed,
    Fault::Missing,
    Fault::Scope,
    Fault::UserThrottled,
    Fault::WrongPassword,
    Fault::Policy,
    Fault::Issuer,
];

#[tokio::test]
async fn of_any_two_faults_the_earlier_one_answers_te_13() {
    for (index, first) in ORDER.iter().enumerate() {
        for second in &ORDER[index + 1..] {
            // Encoding and repetition are found on one way through the body; the budget belongs to the client `conf`.
            let incomparable = [(Fault::Encoding, Fault::Repeated), (Fault::ClientThrottled, Fault::NotAllowed)];
            if !incomparable.contains(&(*first, *second)) {
                assert_is(&answer(&[*first, *second]).await, *first);
            }
        }
    }
}
