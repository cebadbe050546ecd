//! Requests of clients in the field, recorded byte for byte, against a real server. Each file in `wire/` is one recorded
//! request; its name says which client sent it.

use std::path::PathBuf;

use tower_password_grant::client::{ClientAuthentication, ClientBuilder};
use tower_password_grant::mount::Profile;
use tower_password_grant::{Attempt, Client, Denial, PasswordGrantLayer, StaticClients, Subject, verify_fn};

use crate::support::server::{Connection, Server};
use crate::support::{Answer, Probe, builder, digest};

/// The page that Swagger UI was recorded on.
const SWAGGER: &str = "http://127.0.0.1:18081";

/// An endpoint for the one client `my-client`, in this profile.
fn layer(profile: Profile, client: ClientBuilder) -> PasswordGrantLayer {
    let client = client.allow_password_grant().scopes("read write").default_scope("read");
    let verifier = verify_fn(|attempt: Attempt| async move {
        // The recording of Wget used a shorter password, the others the usual one.
        let right = attempt.username() == "alice" && ["correct horse", "pw"].contains(&attempt.password().expose());
        Ok(if right { Subject::new("user-alice").into() } else { Denial::WrongPassword.into() })
    });
    builder(&Probe::default())
        .clients(StaticClients::new([client.build().unwrap()]).unwrap())
        .verifier(verifier)
        .profile(profile)
        .build()
        .unwrap()
}

pub fn confidential() -> ClientBuilder {
    Client::confidential("my-client", &digest("s3cret"))
}

pub fn public() -> ClientBuilder {
    Client::public("my-client")
}

fn recorded(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "wire", &format!("{name}.http")].iter().collect();
    std::fs::read(path).unwrap()
}

/// Replays the requests in this order on one connection, as far as the client asked to keep it.
async fn replay(client: ClientBuilder, names: &[&str]) -> Vec<Answer> {
    replay_in(Profile::default(), client, names).await
}

/// The same in this profile.
pub async fn replay_in(profile: Profile, client: ClientBuilder, names: &[&str]) -> Vec<Answer> {
    let server = Server::start(&layer(profile, client)).await;
    let mut answers = Vec::new();
    let mut connection = Connection::open(server.address).await;
    for name in names {
        answers.push(connection.exchange(recorded(name)).await);
    }
    answers
}

pub const BOTH: &str = "read write";

/// Recordings that authenticate as a confidential client, and the scope they must get.
pub const CONFIDENTIAL: [(&str, &str); 22] = [
    ("curl", BOTH),
    ("requests_oauthlib", "read"),
    ("requests_oauthlib_include_client_id", "read"),
    ("authlib", BOTH),
    ("requests_oauth2client", BOTH),
    ("httpx", "read"),
    ("simple_oauth2", BOTH),
    ("simple_oauth2_body", BOTH),
    ("openid_client_6", BOTH),
    ("openid_client_6_basic", BOTH),
    ("openid_client_5", BOTH),
    ("badgateway_oauth2_client", BOTH),
    ("client_oauth2", BOTH),
    ("rust_oauth2", BOTH),
    ("reqwest", "read"),
    ("go_oauth2_first", BOTH),
    ("go_oauth2_second", BOTH),
    ("ruby_oauth2", BOTH),
    ("httpie", "read"),
    ("wget", "read"),
    ("java_http_client", "read"),
    ("bruno_body", BOTH),
];

/// Recordings of public clients.
pub const PUBLIC: [(&str, &str); 5] = [
    ("requests_oauthlib_public", "read"),
    ("authlib_public", "read"),
    ("axios", "read"),
    ("fetch", "read"),
    ("rust_oauth2_public", BOTH),
];

/// Recordings that other tests here are about.
const OTHERS: [&str; 8] = [
    "axios_json",
    "bruno_basic",
    "fetch_form_data",
    "php_curl_array",
    "requests_oauthlib_refresh",
    "swagger_ui",
    "swagger_ui_body",
    "swagger_ui_preflight",
];

#[test]
fn every_recording_is_replayed() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "wire"].iter().collect();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".http").map(str::to_owned))
        .collect();
    files.sort();
    let mut named: Vec<_> =
        CONFIDENTIAL.iter().chain(&PUBLIC).map(|(name, _)| *name).chain(OTHERS).map(str::to_owned).collect();
    named.sort();
    assert_eq!(files, named);
}

#[tokio::test]
async fn clients_with_a_secret_get_tokens_ca_01_ca_04_en_02() {
    for (name, scope) in CONFIDENTIAL.iter().chain(&[("bruno_basic", BOTH)]) {
        let answers = replay(confidential(), &[name]).await;
        assert_eq!(answers[0].assert_ok()["scope"], *scope, "{name}");
    }
}

#[tokio::test]
async fn clients_without_a_secret_get_tokens_ca_06_ca_22() {
    for (name, scope) in PUBLIC {
        let answers = replay(public(), &[name]).await;
        assert_eq!(answers[0].assert_ok()["scope"], scope, "{name}");
        // The same bytes do not do for a client that has a secret.
        let answers = replay(confidential(), &[name]).await;
        let by_header = recorded(name).windows(15).any(|window| window == b"Authorization: ");
        answers[0].assert_error(if by_header { 401 } else { 400 }, "invalid_client");
    }
}

#[tokio::test]
async fn json_and_multipart_bodies_are_refused_with_the_type_that_is_expected_ht_03() {
    for (client, name) in [(public(), "axios_json"), (public(), "fetch_form_data"), (confidential(), "php_curl_array")]
    {
        let answers = replay(client, &[name]).await;
        answers[0].assert_error_about(400, "invalid_request", "application/x-www-form-urlencoded");
        assert_eq!(answers[0].header("accept-post"), Some("application/x-www-form-urlencoded"));
    }
}

#[tokio::test]
async fn the_refresh_grant_is_unsupported_where_nobody_serves_it_te_09() {
    let answers = replay(confidential(), &["requests_oauthlib_refresh"]).await;
    answers[0].assert_error(400, "unsupported_grant_type");
}

#[tokio::test]
async fn go_probes_the_header_first_and_the_body_after_a_refusal_ca_04_ca_19() {
    let both = ["go_oauth2_first", "go_oauth2_second"];
    for answer in replay(confidential(), &both).await {
        answer.assert_ok();
    }
    // A client pinned to the body refuses the first request, and the connection lives on for the second.
    let answers = replay(confidential().authenticate_by(ClientAuthentication::SecretPost), &both).await;
    answers[0].assert_error(401, "invalid_client");
    answers[1].assert_ok();
    // Pinned to the header it never comes to the second; if it did, it would be refused.
    let answers = replay(confidential().authenticate_by(ClientAuthentication::SecretBasic), &both).await;
    answers[0].assert_ok();
    answers[1].assert_error(400, "invalid_client");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_unless_the_client_lists_it_ht_08_ht_10_ht_11() {
    let answers = replay(confidential(), &["swagger_ui_preflight", "swagger_ui_body"]).await;
    assert_eq!(answers[0].status, 204);
    answers[1].assert_error_about(400, "invalid_request", "origin");
    assert!(answers.iter().all(|answer| answer.header("access-control-allow-origin").is_none()));

    let answers = replay(confidential().allow_origin(SWAGGER), &["swagger_ui_preflight", "swagger_ui_body"]).await;
    assert_eq!(answers[0].status, 204);
    assert_eq!(answers[0].header("access-control-allow-methods"), Some("POST"));
    let allowed = answers[0].header("access-control-allow-headers").unwrap();
    assert!(["authorization", "x-requested-with"].iter().all(|name| allowed.split(", ").any(|one| one == *name)));
    assert_eq!(answers[1].assert_ok()["scope"], BOTH);
    assert!(answers.iter().all(|answer| answer.header("access-control-allow-origin") == Some(SWAGGER)));
}

#[tokio::test]
async fn empty_basic_credentials_without_a_client_are_401_ca_21() {
    // Without a client there is no list of origins to look at.
    let answers = replay(confidential(), &["swagger_ui"]).await;
    answers[0].assert_error(401, "invalid_client");
    let answers = replay(confidential().allow_origin(SWAGGER), &["swagger_ui_preflight", "swagger_ui"]).await;
    assert_eq!(answers[0].status, 204);
    answers[1].assert_error(401, "invalid_client");
    assert!(answers[1].header("www-authenticate").unwrap().starts_with("Basic realm="));
    // The page may read why.
    assert_eq!(answers[1].header("access-control-allow-origin"), Some(SWAGGER));
}
