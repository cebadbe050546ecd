//! What refusals say in this profile: status, code, sentence and headers.

use tower_password_grant::client::ClientBuilder;
use tower_password_grant::mount::Profile;
use tower_password_grant::{Client, StaticClients};

use super::expect::{BASIC, assert_refused, auth0};
use crate::support::tokens::{Tokens, clients};
use crate::support::{AUTH, CONF, Fixture, PW, digest, pw};

const REALM_GRANT: &str = "http://auth0.com/oauth/grant-type/password-realm";
const NOT_FOUND: (u16, &str, &str) = (400, "invalid_request", "the connection was not found");

#[tokio::test]
async fn a_wrong_password_is_answered_as_these_sdks_expect_and_by_default_as_rfc_6749_has_it() {
    let body = &PW.replace("correct+horse", "wrong");
    let answer = auth0(|builder| builder).token(AUTH, body).await;
    assert_refused(&answer, 403, "invalid_grant", "Wrong email or password.", &[]);
    let answer = Fixture::new().token(AUTH, body).await;
    assert_refused(&answer, 400, "invalid_grant", "the credentials are not valid", &[]);
}

/// An endpoint whose client `conf` has two realms.
fn with_realms(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Fixture {
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant();
    let client = change(client.realms(["customers", "employees"]).scopes("read").default_scope("read"));
    auth0(|builder| builder.clients(StaticClients::new([client.build().unwrap()]).unwrap()))
}

#[tokio::test]
async fn the_first_parameter_that_is_missing_is_named() {
    let fixture = with_realms(ClientBuilder::allow_realm_grant);
    let realm_grant = format!("grant_type={REALM_GRANT}");
    for (body, missing) in [
        ("username=alice", "grant_type"),
        ("grant_type=&username=alice", "grant_type"),
        ("grant_type=password", "username"),
        ("grant_type=password&password=x", "username"),
        ("grant_type=password&username=alice", "password"),
        ("grant_type=password&username=alice&password=", "password"),
        (&*realm_grant, "username"),
        (&*format!("{realm_grant}&username=alice"), "password"),
        (&*format!("{realm_grant}&username=alice&password=correct+horse"), "realm"),
        (&*format!("{realm_grant}&username=alice&password=correct+horse&realm="), "realm"),
    ] {
        let sentence = format!("Missing required parameter: {missing}");
        assert_refused(&fixture.token(AUTH, body).await, 400, "invalid_request", &sentence, &[]);
    }
    let tokens = Tokens::of(Profile::Auth0, clients(), |builder| builder);
    let refresh = tokens.post("/oauth/token", "conf", "grant_type=refresh_token").await;
    assert_refused(&refresh, 400, "invalid_request", "Missing required parameter: refresh_token", &[]);
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        let answer = tokens.post(path, "conf", "a=b").await;
        assert_refused(&answer, 400, "invalid_request", "Missing required parameter: token", &[]);
    }
}

#[tokio::test]
async fn a_grant_that_the_client_may_not_use_is_named_and_one_that_is_unknown_is_not() {
    let fixture = with_realms(|client| client);
    let body = PW.replacen("password", REALM_GRANT, 1);
    let sentence = format!("Grant type '{REALM_GRANT}' not allowed for the client.");
    // Known, because a client could use it: the endpoint serves realms.
    let other = Client::public("other").allow_realm_grant().realms(["customers"]).scopes("read").build().unwrap();
    let client = Client::confidential("conf", &digest("s3cret")).realms(["customers"]).scopes("read").build().unwrap();
    let both = auth0(|builder| builder.clients(StaticClients::new([client, other]).unwrap()));
    assert_refused(&both.token(AUTH, &body).await, 403, "unauthorized_client", &sentence, &[]);
    let sentence = "Grant type 'password' not allowed for the client.";
    assert_refused(&both.token(AUTH, PW).await, 403, "unauthorized_client", sentence, &[]);
    for unknown in ["urn:x:C4nary", "C4nary", REALM_GRANT] {
        let body = PW.replacen("password", unknown, 1);
        let answer = fixture.token(AUTH, &body).await;
        assert_refused(&answer, 403, "unsupported_grant_type", "Unsupported grant type", &[]);
    }
}

#[tokio::test]
async fn a_realm_that_the_client_may_not_choose_is_not_found_whatever_is_wrong_with_it() {
    let fixture = with_realms(ClientBuilder::allow_realm_grant);
    let long = "x".repeat(10_000);
    let (status, code, sentence) = NOT_FOUND;
    let mut answers = Vec::new();
    for realm in ["nowhere", "Customers", &*long, "%01", "%00", "%0d%0a", "%7f", "%ff", "%zz", "%c2%85", "a%7cb"] {
        for body in [pw(&format!("realm={realm}")), PW.replacen("password", REALM_GRANT, 1) + "&re%61lm=" + realm] {
            let answer = fixture.token(AUTH, &body).await;
            assert_refused(&answer, status, code, sentence, &[]);
            answers.push(answer);
        }
    }
    assert!(answers.iter().all(|answer| (&answer.headers, &answer.body) == (&answers[0].headers, &answers[0].body)));
    let twice = fixture.token(AUTH, &pw("realm=customers&realm=employees")).await;
    assert_refused(&twice, 400, "invalid_request", "a parameter is repeated", &[]);
}

#[tokio::test]
async fn failed_client_authentication_has_a_challenge_only_for_the_clients_own_header() {
    let tokens = Tokens::of(Profile::Auth0, clients(), |builder| builder);
    let login = format!("{PW}&token=x");
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        for header in [CONF, "Basic !", "Digest x", "Bearer x"] {
            let answer = tokens.send("POST", path, &[("authorization", header)], &login).await;
            assert_refused(&answer, 401, "access_denied", "Unauthorized", &[BASIC]);
        }
        for body in
            ["", "&client_id=ghost", "&client_secret=x", "&client_id=conf&client_secret=wrong", "&client_id=conf"]
        {
            let answer = tokens.send("POST", path, &[], &format!("{login}{body}")).await;
            assert_refused(&answer, 401, "access_denied", "Unauthorized", &[]);
        }
    }
}
