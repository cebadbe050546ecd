//! Scopes: what is known without registration, what is dropped, and what gives a refresh token.

use tower_password_grant::mount::Profile;
use tower_password_grant::rules::Ruling;
use tower_password_grant::token::MissingScope;

use super::parts::{parameter, registered_for, scope_of, tokens, with_clients};
use crate::rules::parts::ruling;
use crate::support::tokens::{Tokens, confidential, text};

const COMMON: &str = "email offline_access openid profile";

/// What a login that asks for this gets.
async fn granted(tokens: &Tokens, scope: &str) -> Result<String, (u16, String)> {
    let asked = parameter("scope", scope);
    scope_of(&tokens.login_with("conf", &asked).await).map(|scope| scope.to_string())
}

fn invalid() -> Result<String, (u16, String)> {
    Err((400, "invalid_scope".to_owned()))
}

#[tokio::test]
async fn a_scope_that_the_client_is_not_registered_for_is_dropped_and_what_is_left_reported() {
    let tokens = tokens(|client| client, |builder| builder);
    assert_eq!(granted(&tokens, "read other").await.unwrap(), "read");
    assert_eq!(granted(&tokens, "other admin another").await.unwrap(), "admin");
    let default = Tokens::with(confidential(|client| client), |builder| builder);
    assert_eq!(granted(&default, "read other").await, invalid());
}

#[tokio::test]
async fn a_request_of_which_nothing_is_left_asks_for_nothing() {
    let registered = tokens(|client| client, |builder| builder);
    for asked in ["other", "other another", ""] {
        assert_eq!(granted(&registered, asked).await.unwrap(), "read write", "{asked:?}");
    }
    // Without a default of the client it is as the endpoint has it for those who ask for none.
    for (missing, expected) in [
        (MissingScope::ClientDefault, invalid()),
        (MissingScope::Refuse, invalid()),
        (MissingScope::Default("read openid admin".parse().unwrap()), Ok("openid read".to_owned())),
        (MissingScope::Scopeless, Ok(String::new())),
    ] {
        let tokens = with_clients(registered_for("read"), |builder| builder.missing_scope(missing.clone()));
        for asked in ["other", ""] {
            assert_eq!(granted(&tokens, asked).await, expected, "{missing:?} {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_malformed_scope_is_refused_whatever_else_is_dropped() {
    let tokens = tokens(|client| client, |builder| builder);
    for asked in ["read  openid", "openid \"", " openid", "other\\"] {
        assert_eq!(granted(&tokens, asked).await, invalid(), "{asked:?}");
    }
    assert_eq!(tokens.users.calls.lock().unwrap().0, 0);
}

#[tokio::test]
async fn four_scopes_are_granted_to_every_client_that_asks_for_them_and_to_no_other() {
    let tokens = with_clients(registered_for("read"), |builder| builder);
    assert_eq!(granted(&tokens, COMMON).await.unwrap(), COMMON);
    assert_eq!(granted(&tokens, "openid address phone read").await.unwrap(), "openid read");
    // Case counts here, too.
    assert_eq!(granted(&tokens, "OpenID read").await.unwrap(), "read");
    let own_default = self::tokens(|client| client, |builder| builder);
    assert_eq!(scope_of(&own_default.login_with("conf", "").await).unwrap().as_str(), "read write");
    let default = Tokens::with(registered_for("read"), |builder| builder);
    for scope in COMMON.split(' ') {
        assert_eq!(granted(&default, scope).await, invalid(), "{scope}");
    }
}

#[tokio::test]
async fn ceiling_verifier_and_rules_bound_the_four_scopes_like_any_other() {
    let client = || registered_for("read");
    let capped = with_clients(client(), |builder| builder.scope_ceiling("read openid"));
    assert_eq!(granted(&capped, "openid email read").await.unwrap(), "openid read");
    assert_eq!(granted(&capped, "email").await, invalid());

    let narrowed = with_clients(client(), |builder| builder);
    narrowed.users.change("user-alice", |user| user.scope = Some("email read".to_owned()));
    assert_eq!(granted(&narrowed, "openid email").await.unwrap(), "email");

    let rule = || ruling("narrow", |_| Ruling::proceed().remove_scope("profile read").add_scope("email address"));
    let ruled = with_clients(client(), |builder| builder.rule(rule()));
    assert_eq!(granted(&ruled, "openid profile").await.unwrap(), "email openid");
    // Without the profile a rule gives none of them either.
    let default = Tokens::with(registered_for("read write"), |builder| builder.rule(rule()));
    assert_eq!(granted(&default, "read write").await.unwrap(), "write");
}

#[tokio::test]
async fn a_refresh_token_takes_offline_access_and_the_grant_of_the_client() {
    let has_refresh_token = |json: &serde_json::Value| json.get("refresh_token").is_some();
    let may = tokens(|client| client, |builder| builder);
    let may_not = tokens(|client| client.remove_grant("refresh_token"), |builder| builder);
    for (tokens, scope, expected) in [
        (&may, "read offline_access", true),
        (&may, "offline_access", true),
        (&may, "read", false),
        (&may, "", false),
        (&may_not, "read offline_access", false),
        (&may_not, "read", false),
    ] {
        let json = tokens.login_with("conf", &parameter("scope", scope)).await.assert_ok();
        assert_eq!(has_refresh_token(&json), expected, "{scope:?}");
        assert!(tokens.is_active(&text(&json, "access_token")).await);
    }
    // What takes the scope away takes the token, and a rule that adds it gives one.
    let capped = tokens(|client| client, |builder| builder.scope_ceiling("read write"));
    let json = capped.login_with("conf", "&scope=read+offline_access").await.assert_ok();
    assert_eq!((has_refresh_token(&json), &json["scope"]), (false, &"read".into()));
    let taken = tokens(
        |client| client,
        |builder| builder.rule(ruling("short", |_| Ruling::proceed().remove_scope("offline_access"))),
    );
    let json = taken.login_with("conf", "&scope=read+offline_access").await.assert_ok();
    assert!(!has_refresh_token(&json));
    let given = tokens(
        |client| client,
        |builder| builder.rule(ruling("long", |_| Ruling::proceed().add_scope("offline_access"))),
    );
    assert!(has_refresh_token(&given.login_with("conf", "&scope=read").await.assert_ok()));
    // By default the grant alone decides.
    let default = Tokens::with(confidential(|client| client), |builder| builder);
    assert!(has_refresh_token(&default.login_with("conf", "&scope=read").await.assert_ok()));
}

#[tokio::test]
async fn a_refresh_may_leave_offline_access_out_and_the_login_goes_on() {
    let tokens = tokens(|client| client, |builder| builder);
    let json = tokens.login_with("conf", "&scope=read+openid+offline_access").await.assert_ok();
    let less = tokens.refresh_with("conf", &text(&json, "refresh_token"), "&scope=read").await.assert_ok();
    assert_eq!(less["scope"], "read");
    let all = tokens.refresh("conf", &text(&less, "refresh_token")).await.assert_ok();
    assert_eq!(all["scope"], "offline_access openid read");
}

#[tokio::test]
async fn a_refresh_drops_what_the_login_has_not_and_gives_no_more() {
    let tokens = tokens(|client| client, |builder| builder);
    let login = tokens.login_with("conf", "&scope=read+openid+offline_access").await.assert_ok();
    let mut token = text(&login, "refresh_token");
    for (asked, expected) in [
        ("read write email other", "read"),
        // Nothing is left, so it asks for what the login has.
        ("write email", "offline_access openid read"),
        ("", "offline_access openid read"),
    ] {
        let json = tokens.refresh_with("conf", &token, &parameter("scope", asked)).await.assert_ok();
        assert_eq!(json["scope"], expected, "{asked:?}");
        token = text(&json, "refresh_token");
    }
    let malformed = tokens.refresh_with("conf", &token, &parameter("scope", "read  write")).await;
    assert_eq!(scope_of(&malformed), Err((400, "invalid_scope".to_owned())));
    // A scope that is taken from the client is gone, and those that every client has stay.
    let clients = confidential(|client| client.remove_scope("read").default_scope("write"));
    let shrunk = tokens.with_clients_and(clients, |builder| builder.profile(Profile::Auth0));
    let json = shrunk.refresh("conf", &token).await.assert_ok();
    assert_eq!(json["scope"], "offline_access openid");
}
