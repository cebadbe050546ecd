//! What is measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Waker};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::runtime::Builder;
use tower::{Layer as _, Service, service_fn};
use tower_password_grant::store::MemoryUsage;
use tower_password_grant::usage::UsageLedger;

use super::meter::{Meter, finish};
use super::refresh;
use super::support::{BASIC, BODY, JSON_BODY, REALM, handler, json_request, library, other_request, token_request};

pub const METER: &str = "the meter itself";
pub const INNER: &str = "GET / at an inner service";
pub const INNER_LAYERED: &str = "GET / at the layer around it";
pub const INNER_IN_ITS_BODY: &str = "GET / at the layer around it, in its body";
pub const ROUTER: &str = "GET / at an axum router";
pub const ROUTER_LAYERED: &str = "GET / at the layer around it (axum)";
pub const TOKEN: &str = "token request";
pub const TOKEN_ROUTER: &str = "token request, layer around an axum router";
pub const TOKEN_RULED: &str = "token request with three login rules";
pub const TOKEN_RULED_BY_CLOSURES: &str = "token request with three async closures as rules";
pub const TOKEN_NOTED: &str = "token request with a usage ledger";
pub const HANDLER: &str = "token request, hand-written axum handler";
pub const REALMS: &str = "token request in the second of two realms";
pub const DEFAULT_REALM: &str = "token request in the default of two realms";
pub const UNKNOWN_REALM: &str = "the same with `realm`, which nobody knows";
pub const ESCAPES: &str = "token request with escapes";
pub const AUTH0_FORM: &str = "token request, profile of Auth0";
pub const AUTH0_JSON: &str = "token request in JSON, profile of Auth0";
pub const BAD_CLIENT: &str = "refused: unknown client";
pub const BAD_SECRET: &str = "refused: wrong client secret";
pub const BAD_GRANT: &str = "refused: wrong password";
pub const MALFORMED: &str = "refused: malformed form";
pub const BAD_SCOPE: &str = "refused: scope not registered";
pub const THROTTLED: &str = "refused: too many attempts";

pub const REFUSALS: [&str; 6] = [BAD_CLIENT, BAD_SECRET, BAD_GRANT, MALFORMED, BAD_SCOPE, THROTTLED];

/// No refused request may be throttled unless its case says so.
const UNLIMITED: u32 = u32::MAX;

fn inner() -> impl Service<Request<Full<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> {
    service_fn(|_: Request<Full<Bytes>>| -> Ready<Result<_, Infallible>> {
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"hello")))))
    })
}

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// One request through one service.
fn through<S, B, R>(service: &mut S, request: Request<B>, expected: StatusCode)
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    R: http_body::Body,
{
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    finish(service.call(request), expected);
}

pub fn run(meter: &mut Meter) {
    meter.case(METER, || other_request(Full::<Bytes>::default()), std::mem::forget);
    pass_through(meter);
    answered(meter);
    refused(meter);
    refresh::run(meter);
}

fn pass_through(meter: &mut Meter) {
    let (mut alone, mut layered) = (inner(), library::layer(UNLIMITED).layer(inner()));
    let request = || other_request(Full::<Bytes>::default());
    meter.case(INNER, request, |request| through(&mut alone, request, StatusCode::OK));
    meter.case(INNER_LAYERED, request, |request| through(&mut layered, request, StatusCode::OK));

    let mut in_its_body = library::layer(UNLIMITED).with_body(Full::new).layer(inner());
    meter.case(INNER_IN_ITS_BODY, request, |request| through(&mut in_its_body, request, StatusCode::OK));

    // As the manual mounts it.
    let (mut alone, mut layered) = (router(), library::layer(UNLIMITED).with_body(Body::from).layer(router()));
    let request = || other_request(Body::empty());
    meter.case(ROUTER, request, |request| through(&mut alone, request, StatusCode::OK));
    meter.case(ROUTER_LAYERED, request, |request| through(&mut layered, request, StatusCode::OK));
}

fn answered(meter: &mut Meter) {
    let mut service = library::layer(10).layer(inner());
    let sample = || token_request(BASIC, BODY, Full::new);
    meter.case(TOKEN, sample, |request| through(&mut service, request, StatusCode::OK));

    let sample = || token_request(BASIC, BODY, Body::from);
    let mut routed = library::layer(10).with_body(Body::from).layer(router());
    meter.case(TOKEN_ROUTER, sample, |request| through(&mut routed, request, StatusCode::OK));
    let mut handler = handler::router();
    meter.case(HANDLER, sample, |request| through(&mut handler, request, StatusCode::OK));

    for (name, layer) in
        [(TOKEN_RULED, library::ruled_layer(10)), (TOKEN_RULED_BY_CLOSURES, library::closures_layer(10))]
    {
        let mut ruled = layer.layer(inner());
        let sample = || token_request(BASIC, BODY, Full::new);
        meter.case(name, sample, |request| through(&mut ruled, request, StatusCode::OK));
    }
    noted(meter);
    let mut realms = library::layer_with_realms(10).layer(inner());
    let named = format!("{BODY}&realm={REALM}");
    for (name, body) in [(REALMS, named.as_str()), (DEFAULT_REALM, BODY)] {
        let sample = || token_request(BASIC, body, Full::new);
        meter.case(name, sample, |request| through(&mut realms, request, StatusCode::OK));
    }
    // To an endpoint without realms it is a field that is kept for the verifier.
    let sample = || token_request(BASIC, &named, Full::new);
    meter.case(UNKNOWN_REALM, sample, |request| through(&mut service, request, StatusCode::OK));

    let mut auth0 = library::auth0_layer(10).layer(inner());
    let sample = || token_request(BASIC, BODY, Full::new);
    meter.case(AUTH0_FORM, sample, |request| through(&mut auth0, request, StatusCode::OK));
    let sample = || json_request(BASIC, JSON_BODY, Full::new);
    meter.case(AUTH0_JSON, sample, |request| through(&mut auth0, request, StatusCode::OK));

    // Both halves of the header and three values of the form are escaped; they decode to those of the sample.
    let basic = "Basic czZCaGRSa3F0JTMzOmdYMWZCYXQzYiU1Ng==";
    let body = "grant_type=pass%77ord&username=johnd%6Fe&password=A3ddj3%77&scope=read+write";
    let escaped = || token_request(basic, body, Full::new);
    meter.case(ESCAPES, escaped, |request| through(&mut service, request, StatusCode::OK));
}

/// What the ledger takes is not written while it is measured: that is the work of its task.
fn noted(meter: &mut Meter) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let usage = UsageLedger::new(MemoryUsage::new());
    let mut service = library::noted_layer(10, usage.clone()).layer(inner());
    let sample = || token_request(BASIC, BODY, Full::new);
    // Queue and spare room grow to their size.
    for _ in 0..2 {
        for _ in 0..3_000 {
            through(&mut service, sample(), StatusCode::OK);
        }
        runtime.block_on(usage.flush()).unwrap();
    }
    meter.case(TOKEN_NOTED, sample, |request| through(&mut service, request, StatusCode::OK));
}

fn refused(meter: &mut Meter) {
    let mut service = library::layer(UNLIMITED).layer(inner());
    let mut refusal = |name, basic: &'static str, body: &'static str, status| {
        let request = move || token_request(basic, body, Full::new);
        meter.case(name, request, |request| through(&mut service, request, status));
    };
    let bad_request = StatusCode::BAD_REQUEST;
    // `nobody-at-all` and the sample's secret, the sample's id and another secret.
    refusal(BAD_CLIENT, "Basic bm9ib2R5LWF0LWFsbDpnWDFmQmF0M2JW", BODY, StatusCode::UNAUTHORIZED);
    refusal(BAD_SECRET, "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JX", BODY, StatusCode::UNAUTHORIZED);
    refusal(BAD_GRANT, BASIC, "grant_type=password&username=johndoe&password=A3ddj3x", bad_request);
    refusal(MALFORMED, BASIC, "grant_type=password&username=johndoe&password=A3ddj3%", bad_request);
    let scope = "grant_type=password&username=johndoe&password=A3ddj3w&scope=admin";
    refusal(BAD_SCOPE, BASIC, scope, bad_request);

    let mut spent = library::layer(1).layer(inner());
    let wrong = || token_request(BASIC, "grant_type=password&username=johndoe&password=A3ddj3x", Full::new);
    through(&mut spent, wrong(), bad_request);
    meter.case(THROTTLED, wrong, |request| through(&mut spent, request, StatusCode::TOO_MANY_REQUESTS));
}
