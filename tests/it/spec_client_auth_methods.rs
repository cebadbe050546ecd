//! Client authentication methods of the application's own (RFC 6749 section 2.3.2).

use std::sync::{Arc, Mutex};

use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{AuthRequest, ClientAuthMethod, ClientBuilder};
use tower_password_grant::{BackendError, Client, StaticClients};

use crate::support::auth_method::OwnMethod;
use crate::support::{AUTH, CONF, Fixture, digest, pw};

fn registry(clients: impl IntoIterator<Item = ClientBuilder>) -> StaticClients {
    let full = |client: ClientBuilder| {
        client.allow_password_grant().scopes("read write").default_scope("read").build().unwrap()
    };
    StaticClients::new(clients.into_iter().map(full)).unwrap()
}

/// A method of the application's own: `Authorization: Own <id> <key>`.
fn own() -> impl ClientAuthMethod {
    let claim = |request: &AuthRequest<'_>| {
        let value = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Own ")?;
        value.split(' ').next().map(str::to_owned)
    };
    OwnMethod::new("own", "Own realm=\"keys\"", claim, |client, request| {
        for hidden in ["username", "password", "client_secret"] {
            assert_eq!(request.field(hidden), None);
        }
        assert_eq!(request.field("device"), Some("7"));
        let key = request.headers()["authorization"].to_str().unwrap().rsplit(' ').next().unwrap();
        MaybeFuture::ready(match key {
            "broken" => Err(BackendError::unavailable("the key store is down")),
            key => Ok(client.id().as_str() == "robot" && key == "right"),
        })
    })
}

/// One that takes everything that it is asked about.
fn other() -> impl ClientAuthMethod {
    let claim = |request: &AuthRequest<'_>| Some(request.headers().get("x-other")?.to_str().unwrap().to_owned());
    OwnMethod::new("other", "Other realm=\"keys\"", claim, |_, _| MaybeFuture::ready(Ok(true)))
}

fn with_methods() -> Fixture {
    Fixture::with(|builder| {
        let clients = [
            Client::with_method("robot", "own"),
            Client::with_method("android", "other"),
            Client::confidential("conf", &digest("s3cret")),
            Client::public("pub"),
        ];
        builder.clients(registry(clients)).client_auth_method(own()).client_auth_method(other())
    })
}

#[tokio::test]
async fn a_method_of_ones_own_maps_a_credential_to_one_client_and_brings_its_challenge_ca_23() {
    let fixture = with_methods();
    let body = pw("device=7");
    fixture.token(&[("authorization", "Own robot right")], &body).await.assert_ok();
    assert_eq!(fixture.probe.last_client(), "robot");
    // Wrong, unknown, and registered for something else: one answer.
    for value in ["Own robot wrong", "Own ghost right", "Own conf right", "Own pub right", "Own android right"] {
        let answer = fixture.token(&[("authorization", value)], &body).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some("Own realm=\"keys\""), "{value}");
    }
    assert_eq!(fixture.probe.calls(), 1);
    // Its client can use nothing else.
    fixture.token(&[], &pw("client_id=robot")).await.assert_error(400, "invalid_client");
    fixture.token(&[], &pw("client_id=robot&client_secret=right")).await.assert_error(400, "invalid_client");
    fixture.token(AUTH, &body).await.assert_ok();
}

#[tokio::test]
async fn a_method_proves_only_clients_that_are_registered_for_it_ca_19_ca_23() {
    let fixture = with_methods();
    for id in ["conf", "pub", "robot", "ghost"] {
        let answer = fixture.token(&[("x-other", id)], &pw("device=7")).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some("Other realm=\"keys\""), "{id}");
    }
    assert_eq!(fixture.probe.calls(), 0);
    fixture.token(&[("x-other", "android")], &pw("device=7")).await.assert_ok();
}

#[tokio::test]
async fn a_method_of_ones_own_is_one_method_among_the_others_ca_07_ca_23() {
    let fixture = with_methods();
    let body = pw("device=7");
    let two = [("authorization", "Own robot right"), ("x-other", "robot")];
    fixture.token(&two, &body).await.assert_error(400, "invalid_request");
    let beside_basic = [("authorization", CONF), ("x-other", "android")];
    fixture.token(&beside_basic, &body).await.assert_error(400, "invalid_request");
    let own = [("authorization", "Own robot right")];
    fixture.token(&own, &pw("device=7&client_secret=x&client_id=robot")).await.assert_error(400, "invalid_request");
    fixture.token(&own, &pw("device=7&client_id=pub")).await.assert_error(400, "invalid_request");
    fixture.token(&own, &pw("device=7&client_id=robot")).await.assert_ok();
}

#[tokio::test]
async fn a_method_that_cannot_decide_is_503_and_its_guesses_are_limited_ca_18_ca_23() {
    let fixture = with_methods();
    let body = pw("device=7");
    for _ in 0..30 {
        let answer = fixture.token(&[("authorization", "Own robot broken")], &body).await;
        answer.assert_error(503, "temporarily_unavailable");
    }
    for _ in 0..10 {
        fixture.token(&[("authorization", "Own robot wrong")], &body).await.assert_error(401, "invalid_client");
    }
    fixture.token(&[("authorization", "Own robot right")], &body).await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn a_method_of_ones_own_sees_no_line_break_no_nul_and_no_secret_se_04_ca_23() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let claim = move |request: &AuthRequest<'_>| {
        let names = "grant_type scope client_id client_assertion client_assertion_type refresh_token username password \
                     client_secret device";
        told.lock().unwrap().extend(names.split(' ').filter_map(|name| request.field(name)).map(str::to_owned));
        Some("robot".to_owned())
    };
    let nosy = OwnMethod::new("nosy", "Nosy realm=\"x\"", claim, |_, _| MaybeFuture::ready(Ok(true)));
    let fixture = Fixture::with(|builder| {
        builder.clients(registry([Client::with_method("robot", "nosy")])).client_auth_method(nosy)
    });
    fixture.token(&[], &pw("client_assertion=a.b&scope=read")).await.assert_ok();
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), ["password", "read", "a.b"]);
    for name in ["grant_type", "scope", "client_assertion", "client_assertion_type", "refresh_token", "device"] {
        for bad in ["%00", "%0A", "%0D"] {
            fixture.token(&[], &format!("{name}=x{bad}y&username=alice&password=secret")).await;
        }
    }
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
}
