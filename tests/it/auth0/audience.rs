//! The parameter `audience`: which API the tokens are for.

use std::sync::{Arc, Mutex};

use tower_password_grant::audit::Reason;
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard};
use tower_password_grant::client::ClientBuilder;
#[cfg(feature = "jwt")]
use tower_password_grant::jwt::{IdClaims, JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::mount::Profile;
use tower_password_grant::rules::LoginStage;
use tower_password_grant::testing::{LoginEventError, login_event};
use tower_password_grant::{
    Attempt, BackendError, Client, Denial, PasswordGrant, PeerAddress, StaticClients, Subject, issue_fn, verify_fn,
};

use super::parts::{parameter, status_at, tokens, with_clients};
use crate::rules::parts::Watching;
use crate::support::grants::OwnGrant;
use crate::support::notation::in_json;
use crate::support::tokens::{Tokens, confidential, text};
use crate::support::{Answer, basic, digest, send, token_request};

const ORDERS: &str = "https://orders.example";
const REPORTS: &str = "urn:reports";
/// What the issuer gives to tokens that are for nothing else.
const OWN: &str = "https://api.example";

fn naming(client: ClientBuilder) -> ClientBuilder {
    client.allow_audience(ORDERS).allow_audience(REPORTS)
}

/// A login for this API.
fn login_for(audience: &str) -> String {
    format!("&scope=read+offline_access{}", parameter("audience", audience))
}

async fn audience(tokens: &Tokens, json: &serde_json::Value) -> Vec<String> {
    let record = tokens.access.verify(&text(json, "access_token")).await.unwrap().unwrap();
    record.audience().to_vec()
}

/// The refusal of an audience, with the sentence that names it.
#[track_caller]
fn assert_not_found(answer: &Answer, named: &str) {
    assert_eq!(answer.status, 403);
    let expected = serde_json::json!({
        "error": "access_denied", "error_description": format!("Service not found: {named}"),
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn an_audience_that_the_client_may_name_is_the_one_of_its_tokens() {
    let api = |id: &str, audience: &str| {
        let client = Client::confidential(id, &digest(&format!("{id}-pw"))).allow_introspection();
        client.resource_server(audience).build().unwrap()
    };
    let clients = [confidential(naming), vec![api("orders", ORDERS), api("own", OWN)]].concat();
    let tokens = with_clients(clients, |builder| builder);
    let json = tokens.login_with("conf", &login_for(ORDERS)).await.assert_ok();
    assert_eq!(audience(&tokens, &json).await, [ORDERS]);
    let token = text(&json, "access_token");
    assert_eq!(tokens.introspect("orders", &token).await["aud"], ORDERS);
    assert_eq!(tokens.introspect("conf", &token).await["aud"], ORDERS);
    assert_eq!(tokens.introspect("own", &token).await["active"], false);
    let statuses = async |token: &str| {
        let mut statuses = Vec::new();
        for audience in [ORDERS, OWN] {
            let guard = BearerGuard::builder(tokens.access.clone()).audience(audience).clock(tokens.clock.clone());
            statuses.push(status_at(&guard.build().unwrap(), token).await);
        }
        statuses
    };
    assert_eq!(statuses(&token).await, [200, 401]);
    // A login that names none is for what the issuer says.
    let json = tokens.login_with("conf", "&scope=read&audience=").await.assert_ok();
    assert_eq!(audience(&tokens, &json).await, [OWN]);
    assert_eq!(statuses(&text(&json, "access_token")).await, [401, 200]);
}

#[tokio::test]
async fn an_audience_that_the_client_may_not_name_is_not_found_before_anything_is_verified() {
    let tokens = tokens(naming, |builder| builder);
    let long = "a".repeat(201);
    for (asked, named) in [
        ("https://other.example", "https://other.example"),
        ("https://orders.example/", "https://orders.example/"),
        ("URN:reports", "URN:reports"),
        ("a\"b\\c\u{e9}\t<", "a?b?c??<"),
        (long.as_str(), &long[..200]),
        // The API of the issuer's own tokens is no exception.
        (OWN, OWN),
    ] {
        assert_not_found(&tokens.login_with("conf", &parameter("audience", asked)).await, named);
        assert_eq!(tokens.reason(), Some(Reason::AudienceNotAllowed));
    }
    let twice = format!("{}{}", parameter("audience", ORDERS), parameter("audience", ORDERS));
    let answer = tokens.login_with("conf", &twice).await;
    answer.assert_error(400, "invalid_request");
    assert_eq!(tokens.reason(), Some(Reason::RepeatedParameter));
    assert_eq!(tokens.users.calls.lock().unwrap().0, 0);
}

#[tokio::test]
async fn a_client_that_may_name_none_and_the_default_profile_ignore_the_parameter() {
    let without_list = tokens(|client| client, |builder| builder);
    let default = Tokens::with(confidential(naming), |builder| builder);
    for tokens in [without_list, default] {
        let twice = format!("{}{}", parameter("audience", ORDERS), parameter("audience", "x"));
        for more in [parameter("audience", ORDERS), parameter("audience", "https://other.example"), twice] {
            let json = tokens.login_with("conf", &format!("&scope=read{more}")).await.assert_ok();
            assert_eq!(audience(&tokens, &json).await, [OWN], "{more}");
        }
    }
}

#[tokio::test]
async fn a_refresh_gives_tokens_for_the_audience_of_the_login_and_for_no_other() {
    let tokens = tokens(naming, |builder| builder);
    let login = tokens.login_with("conf", &login_for(ORDERS)).await.assert_ok();
    let first = tokens.refresh("conf", &text(&login, "refresh_token")).await.assert_ok();
    assert_eq!(audience(&tokens, &first).await, [ORDERS]);
    let token = text(&first, "refresh_token");
    for other in [REPORTS, OWN, "x"] {
        assert_not_found(&tokens.refresh_with("conf", &token, &parameter("audience", other)).await, other);
    }
    // The refusals have cost nothing, and the same audience may be named again.
    let second = tokens.refresh_with("conf", &token, &parameter("audience", ORDERS)).await.assert_ok();
    assert_eq!(audience(&tokens, &second).await, [ORDERS]);
    // One that named none cannot name one later.
    let login = tokens.login_with("conf", "&scope=read+offline_access").await.assert_ok();
    let token = text(&login, "refresh_token");
    assert_not_found(&tokens.refresh_with("conf", &token, &parameter("audience", ORDERS)).await, ORDERS);
    let json = tokens.refresh("conf", &token).await.assert_ok();
    assert_eq!(audience(&tokens, &json).await, [OWN]);
}

#[tokio::test]
async fn of_an_audience_that_is_taken_from_a_client_the_refresh_tokens_are_refused_and_kept() {
    let tokens = tokens(naming, |builder| builder);
    let login = tokens.login_with("conf", &login_for(ORDERS)).await.assert_ok();
    let token = text(&login, "refresh_token");
    let less = || confidential(|client| naming(client).remove_audience(ORDERS));
    for profile in [Profile::Auth0, Profile::Rfc6749] {
        let shrunk = tokens.with_clients_and(less(), |builder| builder.profile(profile));
        let answer = shrunk.refresh("conf", &token).await;
        assert_eq!(answer.json()["error"], "invalid_grant");
        assert_eq!(shrunk.reason(), Some(Reason::AudienceWithdrawn));
    }
    // Without the profile the login stays for its audience, and the parameter says nothing.
    let default = tokens.with_clients(confidential(naming));
    let json = default.refresh_with("conf", &token, "&audience=x").await.assert_ok();
    assert_eq!(audience(&default, &json).await, [ORDERS]);
}

#[tokio::test]
async fn a_rule_sees_the_audience_and_a_made_login_has_one_that_its_client_may_name() {
    let watching = Watching::new("watching");
    let rule = watching.clone();
    let tokens = tokens(naming, move |builder| builder.rule(rule));
    let login = tokens.login_with("conf", &login_for(REPORTS)).await.assert_ok();
    tokens.refresh("conf", &text(&login, "refresh_token")).await.assert_ok();
    tokens.login_with("conf", "").await.assert_ok();
    let seen: Vec<_> = watching
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|event| (event.stage(), event.audience().map(str::to_owned)))
        .collect();
    let reports = || Some(REPORTS.to_owned());
    let expected = [(LoginStage::Password, reports()), (LoginStage::Refresh, reports()), (LoginStage::Password, None)];
    assert_eq!(seen, expected);

    let client = confidential(naming).remove(0);
    let made_in = |profile, audience| {
        login_event(Subject::new("user-1")).profile(profile).client(client.clone()).audience(audience).build()
    };
    let made = |audience| made_in(Profile::Auth0, audience);
    assert_eq!(made(ORDERS).unwrap().audience(), Some(ORDERS));
    assert_eq!(made(OWN).err(), Some(LoginEventError::Audience));
    assert_eq!(made_in(Profile::Rfc6749, ORDERS).err(), Some(LoginEventError::Audience));
    assert_eq!(login_event(Subject::new("user-1")).build().unwrap().audience(), None);
}

#[test]
fn in_json_the_audience_is_the_same() {
    in_json(an_audience_that_the_client_may_name_is_the_one_of_its_tokens);
    in_json(an_audience_that_the_client_may_not_name_is_not_found_before_anything_is_verified);
    in_json(a_refresh_gives_tokens_for_the_audience_of_the_login_and_for_no_other);
}

#[tokio::test]
async fn the_tokens_of_an_extension_grant_are_for_the_audience_that_its_request_names() {
    let own = OwnGrant::new("urn:x:badge", &["badge"], |_| {
        Ok(Subject::new("user-alice").with_credential_version("1").into())
    });
    let client = |client: ClientBuilder| naming(client).allow_grant("urn:x:badge");
    let tokens = tokens(client, |builder| builder.extension_grant(own));
    let ask = async |more: &str| {
        let form = format!("grant_type=urn:x:badge&badge=1&scope=read+offline_access{more}");
        tokens.post("/oauth/token", "conf", &form).await
    };
    let login = ask(&parameter("audience", ORDERS)).await.assert_ok();
    assert_eq!(audience(&tokens, &login).await, [ORDERS]);
    let next = tokens.refresh("conf", &text(&login, "refresh_token")).await.assert_ok();
    assert_eq!(audience(&tokens, &next).await, [ORDERS]);
    assert_not_found(&ask(&parameter("audience", OWN)).await, OWN);
    let json = ask("").await.assert_ok();
    assert_eq!(audience(&tokens, &json).await, [OWN]);
}

#[tokio::test]
async fn an_audience_that_was_understood_is_no_field_of_the_verifier_and_makes_no_other_guess() {
    let seen = Arc::<Mutex<Vec<Vec<String>>>>::default();
    let fields = Arc::clone(&seen);
    let verifier = verify_fn(move |attempt: Attempt| {
        fields.lock().unwrap().push(attempt.fields().map(|(name, _)| name.to_owned()).collect());
        async { Ok(Denial::WrongPassword.into()) }
    });
    // More than the budget of an account.
    let apis: Vec<_> = (0..12).map(|api| format!("urn:api:{api}")).collect();
    let naming = |client| apis.iter().fold(client, |client: ClientBuilder, api| client.allow_audience(api));
    let plain = Client::public("plain").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([confidential(naming), vec![plain]].concat()).unwrap())
        .verifier(verifier)
        .issuer(issue_fn(|_| async { Err(BackendError::fault("nobody logs in")) }))
        .profile(Profile::Auth0)
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    let secret = basic("conf", "conf-pw");
    let form = "grant_type=password&username=alice&password=x&device=1";
    let with_list = [("authorization", secret.as_str())];
    // The same mistake counts once, whatever it was for.
    for api in &apis {
        let form = format!("{form}{}", parameter("audience", api));
        send(&layer, token_request(&with_list, &form)).await.assert_error(403, "invalid_grant");
    }
    assert_eq!(*seen.lock().unwrap(), vec![vec!["device"]; apis.len()]);
    // To a client without a list it is a field like any other.
    let form = format!("client_id=plain&{form}&audience=x");
    send(&layer, token_request(&[], &form)).await.assert_error(403, "invalid_grant");
    assert_eq!(seen.lock().unwrap().last().unwrap(), &["device", "audience"]);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_login_keeps_its_audience_in_a_file() {
    use tower_password_grant::sqlite::SqliteStore;

    use crate::support::ManualClock;
    use crate::support::folder::Folder;
    use crate::support::tokens::TokensBuilder;
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let mut token: Option<String> = None;
    for _ in 0..3 {
        let store = SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap();
        let (access, refresh) = (Arc::new(store.clone()), Arc::new(store.clone()));
        let change = |builder: TokensBuilder| builder.profile(Profile::Auth0);
        let tokens = Tokens::over(clock.clone(), access, refresh, confidential(naming), change);
        let json = match token {
            None => tokens.login_with("conf", &login_for(ORDERS)).await,
            Some(token) => tokens.refresh("conf", &token).await,
        };
        let json = json.assert_ok();
        assert_eq!(audience(&tokens, &json).await, [ORDERS]);
        token = Some(text(&json, "refresh_token"));
        drop(tokens);
        store.close().await;
    }
}

/// An endpoint in this profile whose issuer signs, with what a login of the client `conf` for this scope and audience is answered.
#[cfg(feature = "jwt")]
async fn signed(issuer: &JwtIssuer, clients: Vec<Client>, asked: &[String]) -> Vec<Answer> {
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(clients).unwrap())
        .verifier(verify_fn(|_| async { Ok(Subject::new("user-1").into()) }))
        .issuer(issuer.clone())
        .profile(Profile::Auth0)
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    let secret = basic("conf", "conf-pw");
    let mut answers = Vec::new();
    for more in asked {
        let form = format!("grant_type=password&username=alice&password=x{more}");
        answers.push(send(&layer, token_request(&[("authorization", secret.as_str())], &form)).await);
    }
    answers
}

#[cfg(feature = "jwt")]
fn signing() -> JwtIssuer {
    let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::EdDsa).unwrap());
    JwtIssuer::new("https://as.example", [OWN, "https://second.example"], keys).unwrap()
}

#[cfg(feature = "jwt")]
#[tokio::test]
async fn a_signed_token_is_for_the_audience_of_its_login_alone() {
    let issuer = signing();
    let asked = [format!("&scope=read{}", parameter("audience", ORDERS)), "&scope=read".to_owned()];
    let answers = signed(&issuer, confidential(naming), &asked).await;
    for (answer, expected) in answers.into_iter().zip([vec![ORDERS], vec![OWN, "https://second.example"]]) {
        let token = text(&answer.assert_ok(), "access_token");
        let record = issuer.verifier().verify(&token).await.unwrap().unwrap();
        assert_eq!(record.audience(), expected);
        let guard = BearerGuard::builder(issuer.verifier()).audience(ORDERS).build().unwrap();
        let status = if expected == [ORDERS] { 200 } else { 401 };
        assert_eq!(status_at(&guard, &token).await, status);
    }
}

#[cfg(feature = "jwt")]
#[tokio::test]
async fn where_id_tokens_are_given_a_token_for_the_client_itself_is_500_and_the_charge_comes_back() {
    let issuer = signing().with_id_tokens(|_| async { Ok(IdClaims::new()) });
    let clients = confidential(|client| client.allow_audience("conf"));
    let of_scope = |scope: &str| format!("&scope={scope}&audience=conf");
    // More than the budget of an account. Without `openid` there would be no ID token, and the access token could pass for one.
    let asked =
        [vec![of_scope("openid+read"); 15], vec![of_scope("read"); 15], vec!["&scope=openid".to_owned()]].concat();
    let mut answers = signed(&issuer, clients, &asked).await;
    let with_id_token = answers.pop().unwrap().assert_ok();
    assert!(with_id_token["id_token"].is_string());
    for answer in answers {
        answer.assert_error(500, "server_error");
    }
}
