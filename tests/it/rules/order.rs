//! When rules are asked, in which order, and what they see.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::rules::{LoginEvent, LoginRule, LoginStage, Ruling, rule_at_once_fn, rule_fn};
use tower_password_grant::token::{AuthenticationMethod, AuthenticationMethods};
use tower_password_grant::user::{Finding, OnLeak, Shield};
use tower_password_grant::{Attempt, BackendError, Password, Subject, Verdict, verify_fn};

use super::parts::{CODE, Watching, clients, denying, ruling};
use crate::support::faults::{CODE_GRANT, Code, Switch};
use crate::support::server::{Connection, Server, raw_request};
use crate::support::{AUTH, CONF, Fixture, PW, Probe, builder, pw, send, token_request};

#[tokio::test]
async fn rules_are_asked_in_the_order_in_which_they_were_added_and_see_what_was_decided_before_them() {
    let (first, last) = (Watching::new("first"), Watching::new("last"));
    let decides = ruling("decides", |_| {
        let ruling = Ruling::proceed().claim("a", 1).unwrap().member("m", "x").unwrap().remove_scope("write");
        ruling.shorten_lifetime(Duration::from_secs(60)).unwrap()
    });
    let again = ruling("again", |login| {
        assert_eq!(login.claims().get::<u8>("a"), Some(1));
        Ruling::proceed().claim("a", 2).unwrap().claim("b", 3).unwrap()
    });
    let fixture = Fixture::with(|builder| builder.rule(first.clone()).rule(decides).rule(again).rule(last.clone()));
    let json = fixture.token(AUTH, &pw("scope=read+write")).await.assert_ok();
    assert_eq!((&json["scope"], &json["m"], &json["expires_in"]), (&"read".into(), &"x".into(), &60.into()));

    let (before, after) = (first.last(), last.last());
    assert!(before.claims().is_empty() && before.members().is_empty());
    assert_eq!((before.scope().as_str(), before.lifetime()), ("read write", Duration::from_secs(3600)));
    assert_eq!((after.claims().get::<u8>("a"), after.claims().get::<u8>("b")), (Some(2), Some(3)));
    assert_eq!(after.members().get::<String>("m").as_deref(), Some("x"));
    assert_eq!((after.scope().as_str(), after.lifetime()), ("read", Duration::from_secs(60)));
    for login in [before, after] {
        assert_eq!(login.requested_scope().as_str(), "read write");
    }
}

#[tokio::test]
async fn the_first_rule_that_refuses_ends_it_and_no_later_one_is_asked() {
    let (first, last) = (Watching::new("first"), Watching::new("last"));
    let fixture = Fixture::with(|builder| builder.rule(first.clone()).rule(denying()).rule(last.clone()));
    fixture.token(AUTH, PW).await.assert_error(400, "invalid_grant");
    assert_eq!((first.calls(), last.calls()), (1, 0));
}

/// What a layer of the host puts into a request.
#[derive(Clone, Debug, PartialEq)]
struct Tenant(&'static str);

#[derive(Debug, PartialEq)]
struct Account(u8);

#[tokio::test]
async fn a_rule_sees_user_client_realm_address_scopes_methods_grant_and_what_the_host_knows() {
    let watching = Watching::new("watching");
    let layer = builder(&Probe::default())
        .clients(clients())
        .verifier(verify_fn(|attempt| async move {
            // The verifier sees the same extensions.
            assert_eq!(attempt.extensions().get::<Tenant>(), Some(&Tenant("acme")));
            let subject = Subject::new("user-7").with_data(Account(7));
            Ok(Verdict::granted_within(subject, "read admin".parse().unwrap()))
        }))
        .extension_grant(Code { key: Switch::new(), exchange: Switch::new() })
        .rule(watching.clone())
        .build()
        .unwrap();
    let marked = |body| {
        let mut request = token_request(AUTH, body);
        request.extensions_mut().insert(Tenant("acme"));
        request.extensions_mut().insert("198.51.100.7:4711".parse::<SocketAddr>().unwrap());
        request
    };
    send(&layer, marked(PW)).await.assert_ok();
    let login = watching.last();
    assert_eq!((login.stage(), login.grant_type()), (LoginStage::Password, "password"));
    assert_eq!((login.subject().id(), login.subject().data::<Account>()), ("user-7", Some(&Account(7))));
    assert_eq!((login.client().id().as_str(), login.realm()), ("conf", Some("staff")));
    assert_eq!(login.address(), "198.51.100.7".parse().ok());
    assert_eq!((login.requested_scope().as_str(), login.scope().as_str()), ("read write", "read"));
    assert_eq!(login.methods(), AuthenticationMethods::NONE.with(AuthenticationMethod::Password));
    assert_eq!(login.methods().amr(), ["pwd"]);
    assert_eq!(login.extensions().get::<Tenant>(), Some(&Tenant("acme")));

    send(&layer, marked(CODE)).await.assert_ok();
    let login = watching.last();
    assert_eq!((login.stage(), login.grant_type()), (LoginStage::Extension, CODE_GRANT));
    let none = AuthenticationMethods::NONE;
    assert_eq!((login.subject().id(), login.realm(), login.methods()), ("user-by-code", Some("staff"), none));
    assert_eq!(login.extensions().get::<Tenant>(), Some(&Tenant("acme")));
}

#[tokio::test]
async fn a_verifier_that_keeps_its_attempts_changes_nothing_of_what_rules_see() {
    let (kept, watching) = (Arc::new(Mutex::new(Vec::new())), Watching::new("watching"));
    let keeper = Arc::clone(&kept);
    let verifier = verify_fn(move |attempt: Attempt| {
        keeper.lock().unwrap().push(attempt);
        async { Ok(Subject::new("user-7").into()) }
    });
    let layer = builder(&Probe::default()).clients(clients()).verifier(verifier).rule(watching.clone());
    let layer = layer.build().unwrap();
    for tenant in ["acme", "emca"] {
        let mut request = token_request(AUTH, PW);
        request.extensions_mut().insert(Tenant(tenant));
        send(&layer, request).await.assert_ok();
        let login = watching.last();
        assert_eq!(
            (login.subject().id(), login.stage(), login.scope().as_str()),
            ("user-7", LoginStage::Password, "read write")
        );
        assert_eq!(login.extensions().get::<Tenant>(), Some(&Tenant(tenant)));
    }
    let seen = kept.lock().unwrap();
    let tenants = seen.iter().map(|attempt| attempt.extensions().get::<Tenant>().unwrap().0);
    assert_eq!(tenants.collect::<Vec<_>>(), ["acme", "emca"]);
}

#[tokio::test]
async fn a_rule_is_reached_by_right_credentials_and_in_no_other_way() {
    let watching = Watching::new("watching");
    let fixture = Fixture::with(|builder| builder.rule(watching.clone()));
    let login = |name: &str, password: &str| format!("grant_type=password&username={name}&password={password}");
    fixture.token(AUTH, &login("alice", "wrong")).await.assert_error(400, "invalid_grant");
    fixture.token(AUTH, &login("nobody", "x")).await.assert_error(400, "invalid_grant");
    fixture.token(AUTH, &login("bob", "right")).await.assert_error(400, "invalid_grant");
    fixture.token(AUTH, &pw("scope=admin")).await.assert_error(400, "invalid_scope");
    fixture.token(&[], PW).await.assert_error(401, "invalid_client");
    for guess in 0..9 {
        fixture.token(AUTH, &login("alice", &format!("guess{guess}"))).await.assert_error(400, "invalid_grant");
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
    assert_eq!(watching.calls(), 0);

    let fixture = Fixture::with(|builder| builder.rule(watching.clone()).scope_ceiling("write"));
    fixture.token(AUTH, &pw("scope=read")).await.assert_error(400, "invalid_scope");
    assert_eq!(watching.calls(), 0);
    fixture.token(AUTH, &pw("scope=read+write")).await.assert_ok();
    assert_eq!(watching.last().scope().as_str(), "write");
}

/// Knows every password.
struct Leaked;

#[async_trait]
impl Shield for Leaked {
    async fn inspect(&self, _: &Password, _: &Subject) -> Result<Finding, BackendError> {
        Ok(Finding::Leaked)
    }
}

#[tokio::test]
async fn a_password_that_is_blocked_as_leaked_reaches_no_rule_and_one_that_is_warned_of_does() {
    for (on_leak, calls) in [(OnLeak::Block, 0), (OnLeak::Warn, 1)] {
        let watching = Watching::new("watching");
        let fixture = Fixture::with(|builder| builder.shield(Leaked, on_leak).rule(watching.clone()));
        let answer = fixture.token(AUTH, PW).await;
        assert_eq!((watching.calls(), answer.status == 200), (calls, on_leak == OnLeak::Warn));
    }
    // A rule decides on a login whose password was looked at, too.
    let fixture = Fixture::with(|builder| builder.shield(Leaked, OnLeak::Warn).rule(denying()));
    fixture.token(AUTH, PW).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_shared_rule_and_one_that_answers_at_once_are_rules_and_so_is_an_async_closure_over_a_real_socket() {
    let quick = rule_at_once_fn("quick", |login| Ok(Ruling::proceed().member("subject", login.subject())?));
    let shared: Arc<dyn LoginRule> = Arc::new(quick);
    let waits = rule_fn("waits".to_owned(), |login: LoginEvent| async move {
        tokio::task::yield_now().await;
        Ok(Ruling::proceed().member("client", login.client().id().as_str())?)
    });
    let fixture = Fixture::with(|builder| builder.rule(shared).rule(waits));
    let server = Server::start(&fixture.layer).await;
    let mut connection = Connection::open(server.address).await;
    let json = connection.exchange(raw_request(&format!("Authorization: {CONF}\r\n"), PW)).await.assert_ok();
    assert_eq!((&json["subject"], &json["client"]), (&"user-alice".into(), &"conf".into()));
}
