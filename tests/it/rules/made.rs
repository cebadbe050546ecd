//! A login that an application's own test makes for its rule, beside the one that the endpoint shows.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tower_password_grant::mount::Profile;
use tower_password_grant::rules::{LoginEvent, LoginRule as _, LoginStage, Ruling, RulingError};
use tower_password_grant::testing::{LoginEventBuilder, LoginEventError, login_event};
use tower_password_grant::{Client, Scope, Subject, Verdict, verify_fn};

use super::parts::{CODE, Watching, clients, conf, ruling};
use crate::support::faults::{CODE_GRANT, Code, Switch};
use crate::support::tokens::{self, Tokens};
use crate::support::{AUTH, PW, Probe, builder, send, token_request};

#[derive(Clone, Debug, PartialEq)]
struct Tenant(&'static str);

/// All that a rule can see of a login.
fn seen(login: &LoginEvent) -> String {
    let user = (login.subject().id(), login.subject().credential_version(), login.subject().data::<Tenant>());
    let grant = (login.stage(), login.grant_type(), login.methods(), login.authenticated_at());
    let scopes = (login.requested_scope(), login.scope(), login.lifetime());
    let host = (login.address(), login.extensions().get::<Tenant>());
    let rules = (login.claims(), login.members());
    format!("{user:?} {} {:?} {grant:?} {scopes:?} {host:?} {rules:?}", login.client().to_text(), login.realm())
}

fn user() -> Subject {
    Subject::new("user-7").with_data(Tenant("of the user")).with_credential_version("3")
}

/// Has something of everything.
fn decided() -> Ruling {
    let ruling = Ruling::proceed().claim("a", 1).unwrap().member("m", "x").unwrap().add_scope("admin more");
    ruling.remove_scope("write").shorten_lifetime(Duration::from_secs(60)).unwrap()
}

#[tokio::test]
async fn a_made_login_is_what_the_endpoint_shows_after_a_password_and_an_extension_grant() {
    let watching = Watching::new("watching");
    let layer = builder(&Probe::default())
        .clients(clients())
        .verifier(verify_fn(|_| async { Ok(Verdict::granted_within(user(), "read admin".parse().unwrap())) }))
        .extension_grant(Code { key: Switch::new(), exchange: Switch::new() })
        .rule(ruling("decided", |_| decided()))
        .rule(watching.clone())
        .build()
        .unwrap();
    let marked = |body: &str| {
        let mut request = token_request(AUTH, body);
        request.extensions_mut().insert(Tenant("of the host"));
        request.extensions_mut().insert("198.51.100.7:4711".parse::<SocketAddr>().unwrap());
        request
    };
    let of_the_host = |made: LoginEventBuilder, shown: &LoginEvent| {
        let made = made.client(conf()).address([198, 51, 100, 7]).extension(Tenant("of the host"));
        made.ruled(decided()).authenticated_at(shown.authenticated_at()).build().unwrap()
    };
    for (more, scope) in [("", None), ("&scope=admin+write", Some("write admin"))] {
        send(&layer, marked(&format!("{PW}{more}"))).await.assert_ok();
        let made = login_event(user()).granted_within("read admin");
        let made = if let Some(scope) = scope { made.scope(scope) } else { made };
        let shown = watching.last();
        assert_eq!(seen(&of_the_host(made, &shown)), seen(&shown));
        assert_eq!((shown.scope().contains("admin"), shown.scope().contains("write")), (true, false));
    }
    send(&layer, marked(CODE)).await.assert_ok();
    let shown = watching.last();
    let made = login_event(Subject::new("user-by-code")).extension_grant(CODE_GRANT);
    assert_eq!(seen(&of_the_host(made, &shown)), seen(&shown));
}

#[tokio::test]
async fn a_made_login_is_what_the_endpoint_shows_at_a_refresh() {
    let watching = Watching::new("watching");
    let rule = watching.clone();
    let adding = || Ruling::proceed().add_scope("write admin");
    let tokens = Tokens::with(tokens::clients(), move |builder| {
        builder
            .rule(ruling("adding", move |login| match login.stage() {
                LoginStage::Refresh => adding(),
                _ => Ruling::proceed(),
            }))
            .rule(rule)
    });
    let login = tokens.login("conf").await;
    tokens.clock.advance_secs(60);
    tokens.refresh_with("conf", &login.refresh, "&scope=read").await.assert_ok();
    let shown = watching.last();
    assert_eq!(shown.stage(), LoginStage::Refresh);
    let made = login_event(Subject::new("user-alice").with_credential_version("1")).refresh().scope("read");
    let made = made.login_scope("read write").client(tokens::clients().remove(0)).address([192, 0, 2, 1]);
    let made = made.ruled(adding()).authenticated_at(shown.authenticated_at()).build().unwrap();
    assert_eq!(seen(&made), seen(&shown));
    assert_eq!(made.scope().as_str(), "read write");
}

#[test]
fn no_rule_adds_to_a_made_refresh_what_its_login_has_not_got() {
    let app = Client::public("app").scopes("read write admin").default_scope("admin").build().unwrap();
    let login = || login_event(Subject::new("user-1")).client(app.clone()).ruled(Ruling::proceed().add_scope("admin"));
    let scopes = |made: LoginEventBuilder| {
        let made = made.build().unwrap();
        (made.requested_scope().to_string(), made.scope().to_string())
    };
    let both = |requested: &str, left: &str| (requested.to_owned(), left.to_owned());
    assert_eq!(scopes(login().scope("read")), both("read", "admin read"));
    assert_eq!(scopes(login().scope("read").login_scope("read")), both("read", "admin read"));
    assert_eq!(scopes(login().refresh().scope("read")), both("read", "read"));
    assert_eq!(scopes(login().refresh().login_scope("read write")), both("read write", "read write"));
    assert_eq!(scopes(login().refresh().scope("read").login_scope("admin read")), both("read", "admin read"));
}

#[test]
fn a_made_login_may_have_the_scopes_that_its_profile_has_for_every_client() {
    let app = Client::public("app").scopes("read").build().unwrap();
    let login = || login_event(Subject::new("user-1")).client(app.clone()).scope("openid read");
    let login = || login().ruled(Ruling::proceed().add_scope("email write"));
    assert_eq!(login().build().err(), Some(LoginEventError::NotRegistered));
    let made = login().profile(Profile::Auth0).build().unwrap();
    assert_eq!((made.requested_scope().as_str(), made.scope().as_str()), ("openid read", "email openid read"));
}

#[test]
fn a_made_login_of_which_nothing_is_said_is_one_by_password_now_for_no_scope() {
    let before = SystemTime::now();
    let login = login_event(Subject::new("user-1")).build().unwrap();
    assert!((before..=SystemTime::now()).contains(&login.authenticated_at()));
    assert_eq!((login.stage(), login.grant_type()), (LoginStage::Password, "password"));
    assert_eq!(login.methods().amr(), ["pwd"]);
    assert_eq!((login.client().id().as_str(), login.realm(), login.address()), ("test", None, None));
    assert_eq!((login.scope().as_str(), login.lifetime()), ("", Duration::from_secs(3600)));
    assert!(login.claims().is_empty() && login.members().is_empty() && login.extensions().is_empty());
    assert_eq!(format!("{:?}", login_event(Subject::new("user-1"))), "LoginEventBuilder");
}

#[test]
fn a_made_login_is_bound_by_its_client_and_by_the_rules_before() {
    let app = Client::public("app").realms(["customers", "employees"]).scopes("read admin").default_scope("read");
    let app = app.access_token_lifetime(Duration::from_secs(77)).build().unwrap();
    let login = || login_event(Subject::new("user-1")).client(app.clone());
    let made = login().build().unwrap();
    let facts = (made.realm(), made.requested_scope().as_str(), made.lifetime().as_secs());
    assert_eq!(facts, (Some("customers"), "read", 77));
    let made = login().realm("employees").realm_grant().lifetime(Duration::from_secs(5)).build().unwrap();
    assert_eq!((made.realm(), made.lifetime().as_secs(), made.stage()), (Some("employees"), 5, LoginStage::Password));
    assert_eq!(made.grant_type(), "http://auth0.com/oauth/grant-type/password-realm");
    // The last claim of a name counts, and what one rule took no other gives back.
    let made = login().ruled(Ruling::proceed().remove_scope("admin").claim("a", 1).unwrap());
    let made = made.ruled(Ruling::proceed().add_scope("admin more").claim("a", 2).unwrap()).build().unwrap();
    assert_eq!((made.scope().as_str(), made.claims().get::<u8>("a")), ("read", Some(2)));
}

#[test]
fn a_login_that_no_endpoint_would_show_is_an_error() {
    let login = || login_event(Subject::new("user-1"));
    let registered = || login().client(Client::public("app").scopes("read").build().unwrap());
    let claims = |from: usize| {
        (from..from + 20).fold(Ruling::proceed(), |ruling, at| ruling.claim(&format!("c{at}"), at).unwrap())
    };
    let malformed = || "a  b".parse::<Scope>().unwrap_err();
    let void = Ruling::proceed().add_scope("a  b");
    let short = Duration::from_millis(999);
    for (made, expected) in [
        (login().scope("a  b"), LoginEventError::Scope(malformed())),
        (login().granted_within("a  b"), LoginEventError::Scope(malformed())),
        (registered().scope("read admin"), LoginEventError::NotRegistered),
        (registered().scope("read").granted_within("admin"), LoginEventError::NothingGranted),
        (login().refresh().scope("read").login_scope("write"), LoginEventError::NotGranted),
        (login().refresh().login_scope("a  b"), LoginEventError::Scope(malformed())),
        (login().realm("staff"), LoginEventError::Realm),
        (login().lifetime(short), LoginEventError::Lifetime(short)),
        (login().ruled(Ruling::deny("no").unwrap()), LoginEventError::Refused),
        (login().ruled(Ruling::interaction_required()), LoginEventError::Refused),
        (login().ruled(void), LoginEventError::Ruling(RulingError::Scope(malformed()))),
        (login().ruled(claims(0)).ruled(claims(20)), LoginEventError::Ruling(RulingError::TooMany)),
    ] {
        let error = made.build().unwrap_err();
        assert_eq!(error, expected);
        // It prints its sentence.
        assert!(format!("{error:?}").starts_with(&error.to_string()), "{error:?}");
    }
}

#[tokio::test]
async fn what_a_rule_answers_about_a_made_login_can_be_compared() {
    let rule = ruling("staff", |login| match login.realm() {
        Some("staff") => Ruling::proceed().claim("a", 1).unwrap().claim("b", 2).unwrap(),
        _ => Ruling::deny("for staff alone").unwrap(),
    });
    let login = login_event(Subject::new("user-1")).client(conf()).build().unwrap();
    let expected = Ruling::proceed().claim("b", 2).unwrap().claim("a", 1).unwrap();
    assert_eq!(rule.apply(login).await.unwrap(), expected);
    assert_ne!(expected, Ruling::proceed());
    let elsewhere = login_event(Subject::new("user-1")).build().unwrap();
    assert_eq!(rule.apply(elsewhere).await.unwrap(), Ruling::deny("for staff alone").unwrap());
}
