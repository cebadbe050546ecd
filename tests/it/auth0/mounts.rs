//! The refusals of this profile in axum, tonic and plain hyper, over real sockets.

use std::net::SocketAddr;

use serde_json::json;
use tower_password_grant::mount::Profile;
use tower_password_grant::{Client, StaticClients};

use crate::mounts::{raw, through_each_mount, with_realms, wrong};
use crate::support::server::{Connection, H2, raw_request};
use crate::support::{AUTH, Answer, FixtureBuilder, PW, digest, token_request};

/// Refusals as Auth0 words them over HTTP/1.1 and HTTP/2: a wrong password, a realm, a client by header and by body, and a lock.
async fn assert_refuses_as_auth0(address: SocketAddr) {
    let mut h1 = Connection::open(address).await.in_profile(Profile::Auth0);
    let mut h2 = H2::open(address).await.in_profile(Profile::Auth0);
    let told = |answer: &Answer| {
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        (answer.status.as_u16(), text("error"), text("error_description"), answer.header("www-authenticate").is_some())
    };
    let unknown = "grant_type=password&username=alice&password=x&client_id=ghost";
    let realm = format!("{}&realm=nowhere", wrong("realm"));
    let by_header = raw_request("Authorization: Basic !\r\n", unknown);
    let refused =
        |status, code: &str, sentence: &str, challenge| (status, code.to_owned(), sentence.to_owned(), challenge);
    for (one, other, expected) in [
        (raw(&realm), token_request(AUTH, &realm), (400, "invalid_request", "the connection was not found", false)),
        (
            by_header,
            token_request(&[("authorization", "Basic !")], unknown),
            (401, "access_denied", "Unauthorized", true),
        ),
        (raw_request("", unknown), token_request(&[], unknown), (401, "access_denied", "Unauthorized", false)),
        (raw(&wrong("1")), token_request(AUTH, &wrong("2")), (403, "invalid_grant", "Wrong email or password.", false)),
    ] {
        let (status, code, sentence, challenge) = expected;
        let expected = refused(status, code, sentence, challenge);
        assert_eq!(told(&h1.exchange(one).await), expected);
        assert_eq!(told(&h2.exchange(other).await), expected);
    }
    for guess in 3..=10 {
        h1.exchange(raw(&wrong(&guess.to_string()))).await.assert_error(403, "invalid_grant");
    }
    let locked = [h1.exchange(raw(PW)).await, h2.exchange(token_request(AUTH, PW)).await];
    for answer in locked {
        answer.assert_error(429, "too_many_attempts");
        let number = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
        assert!(number("x-ratelimit-reset") > number("retry-after"));
    }
}

/// A login for an API that the client may name and for one that it may not, over HTTP/1.1 and HTTP/2.
async fn assert_reads_audiences(address: SocketAddr) {
    let mut h1 = Connection::open(address).await.in_profile(Profile::Auth0);
    let mut h2 = H2::open(address).await.in_profile(Profile::Auth0);
    let login = |audience: &str| format!("{PW}&audience={audience}");
    h1.exchange(raw(&login("urn:orders"))).await.assert_ok();
    h2.exchange(token_request(AUTH, &login("urn:orders"))).await.assert_ok();
    let other = login("urn:reports");
    let expected = json!({ "error": "access_denied", "error_description": "Service not found: urn:reports" });
    for answer in [h1.exchange(raw(&other)).await, h2.exchange(token_request(AUTH, &other)).await] {
        assert_eq!((answer.status.as_u16(), answer.json()), (403, expected.clone()));
    }
}

#[tokio::test]
async fn an_audience_is_read_through_each_mount() {
    let naming = |builder: FixtureBuilder| {
        let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("read");
        let client = client.default_scope("read").allow_audience("urn:orders").build().unwrap();
        builder.clients(StaticClients::new([client]).unwrap()).profile(Profile::Auth0)
    };
    through_each_mount(naming, assert_reads_audiences).await;
}

#[tokio::test]
async fn refusals_are_worded_by_the_profile_through_each_mount() {
    through_each_mount(|builder| with_realms(builder).profile(Profile::Auth0), assert_refuses_as_auth0).await;
}
