//! Rules at a refresh: asked each time, bound by what the login gave, and without harm to the refresh token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_password_grant::audit::Reason;
use tower_password_grant::rules::{LoginEvent, LoginRule, LoginStage, Ruling};

use super::parts::{Watching, ruling};
use crate::support::tokens::{Tokens, clients};

/// A rule whose ruling a test changes, apart for logins and refreshes.
#[derive(Clone)]
struct Changing(Arc<Mutex<[Ruling; 2]>>);

impl Changing {
    fn new() -> Self {
        Self(Arc::new(Mutex::new([Ruling::proceed(), Ruling::proceed()])))
    }

    fn at_refresh(&self, ruling: Ruling) {
        self.0.lock().unwrap()[1] = ruling;
    }

    fn at_login(&self, ruling: Ruling) {
        self.0.lock().unwrap()[0] = ruling;
    }

    fn rule(&self) -> impl LoginRule + use<> {
        let rulings = Arc::clone(&self.0);
        ruling("changing", move |login: &LoginEvent| {
            let at = usize::from(login.stage() == LoginStage::Refresh);
            rulings.lock().unwrap()[at].clone()
        })
    }
}

fn tokens(rule: &Changing) -> Tokens {
    let rule = rule.rule();
    Tokens::with(clients(), move |builder| builder.rule(rule))
}

#[tokio::test]
async fn a_refresh_that_a_rule_denies_is_invalid_grant_and_token_and_family_stay_good() {
    let changing = Changing::new();
    let tokens = tokens(&changing);
    let login = tokens.login("conf").await;
    let unknown = tokens.refresh("conf", &format!("rt_{}", "A".repeat(72))).await;
    for (ruling, code, reason) in [
        (Ruling::deny("no longer").unwrap(), "invalid_grant", Reason::RuleDenied),
        (Ruling::interaction_required(), "interaction_required", Reason::InteractionRequired),
    ] {
        changing.at_refresh(ruling);
        for _ in 0..3 {
            let answer = tokens.refresh("conf", &login.refresh).await;
            answer.assert_error(400, code);
            assert_eq!(tokens.reason(), Some(reason));
            if code == "invalid_grant" {
                assert_eq!((&answer.headers, &answer.body), (&unknown.headers, &unknown.body));
            }
        }
    }
    assert!(tokens.is_active(&login.access).await);
    changing.at_refresh(Ruling::proceed());
    let next = tokens.renewed("conf", &login.refresh).await;
    assert!(tokens.is_active(&next.access).await && next.refresh != login.refresh);
}

#[tokio::test]
async fn a_rule_sees_at_a_refresh_when_the_login_was_and_what_is_asked_for() {
    let watching = Watching::new("watching");
    let rule = watching.clone();
    let tokens = Tokens::with(clients(), move |builder| builder.rule(rule));
    let login = tokens.login("conf").await;
    let first = watching.last();
    tokens.clock.advance_secs(60);
    tokens.refresh_with("conf", &login.refresh, "&scope=read").await.assert_ok();
    let again = watching.last();
    assert_eq!((first.stage(), again.stage()), (LoginStage::Password, LoginStage::Refresh));
    assert_eq!((again.subject().id(), again.grant_type()), ("user-alice", "refresh_token"));
    assert_eq!(again.authenticated_at(), first.authenticated_at());
    assert_eq!((again.requested_scope().as_str(), again.scope().as_str()), ("read", "read"));
    assert_eq!(again.address(), "192.0.2.1".parse().ok());
    // A refresh token that is worth nothing asks no rule.
    tokens.clock.advance_secs(60);
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(watching.calls(), 2);
}

#[tokio::test]
async fn a_rule_gives_at_a_refresh_no_scope_that_the_login_has_not() {
    let changing = Changing::new();
    let tokens = tokens(&changing);
    // The client may have `admin`, and did not ask for it.
    let login = tokens.login("conf").await;
    changing.at_refresh(Ruling::proceed().add_scope("admin"));
    let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
    assert_eq!(json["scope"], "read write");
    // What a rule added at the login is the login's.
    changing.at_login(Ruling::proceed().add_scope("admin").remove_scope("write"));
    let login = tokens.login("conf").await;
    let json = tokens.refresh_with("conf", &login.refresh, "&scope=read").await.assert_ok();
    assert_eq!(json["scope"], "admin read");
    changing.at_refresh(Ruling::proceed().add_scope("write"));
    let json = tokens.refresh("conf", json["refresh_token"].as_str().unwrap()).await.assert_ok();
    assert_eq!(json["scope"], "admin read");
    // What is taken away at a refresh is there again at the next.
    changing.at_refresh(Ruling::proceed().remove_scope("admin"));
    let json = tokens.refresh("conf", json["refresh_token"].as_str().unwrap()).await.assert_ok();
    assert_eq!(json["scope"], "read");
    changing.at_refresh(Ruling::proceed());
    let json = tokens.refresh("conf", json["refresh_token"].as_str().unwrap()).await.assert_ok();
    assert_eq!(json["scope"], "admin read");
}

#[tokio::test]
async fn claims_members_and_lifetimes_are_made_anew_at_each_refresh() {
    let changing = Changing::new();
    let tokens = tokens(&changing);
    let short = Ruling::proceed().shorten_lifetime(Duration::from_secs(60)).unwrap();
    changing.at_login(short.claim("plan", "old").unwrap().member("plan", "old").unwrap());
    let json = tokens.login_with("conf", "").await.assert_ok();
    assert_eq!((&json["plan"], &json["expires_in"]), (&"old".into(), &60.into()));
    let (access, refresh) = (json["access_token"].as_str().unwrap(), json["refresh_token"].as_str().unwrap());
    assert_eq!(tokens.introspect("conf", access).await["plan"], "old");
    let json = tokens.refresh("conf", refresh).await.assert_ok();
    assert_eq!((json.get("plan"), &json["expires_in"]), (None, &3600.into()));
    assert_eq!(tokens.introspect("conf", json["access_token"].as_str().unwrap()).await.get("plan"), None);
    changing.at_refresh(Ruling::proceed().claim("plan", "new").unwrap());
    let json = tokens.refresh("conf", json["refresh_token"].as_str().unwrap()).await.assert_ok();
    assert_eq!(tokens.introspect("conf", json["access_token"].as_str().unwrap()).await["plan"], "new");
}
