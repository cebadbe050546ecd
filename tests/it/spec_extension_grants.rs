//! Extension grants (RFC 6749 section 4.5): behind the same client authentication, allow-lists, budgets and issuer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::audit::AuditEvent;
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{
    Attempt, BackendError, Client, ConfigError, CredentialVerifier, Denial, StaticClients, Subject, Verdict,
};

use crate::support::grants::OwnGrant;
use crate::support::{self, AUTH, Fixture, PW, Probe, builder, digest, send, token_request};

const TYPE: &str = "urn:example:grant:card";

/// A loyalty card with a code, in this realm.
#[derive(Clone, Default)]
struct Card(Arc<AtomicUsize>, Option<&'static str>);

impl Card {
    fn grant(&self) -> OwnGrant {
        let Self(calls, realm) = self.clone();
        let grant = OwnGrant::new(TYPE, &["card", "code"], move |request| {
            calls.fetch_add(1, Ordering::SeqCst);
            assert_eq!(request.client().id().as_str(), "conf");
            assert_eq!(request.realm(), realm);
            assert_eq!(request.scope().as_str(), "read");
            assert_eq!(request.address(), Some("192.0.2.1".parse().unwrap()));
            assert_eq!(request.field("client_secret"), None);
            Ok(match request.field("code") {
                Some("1234") => Subject::new("card-holder").into(),
                Some("down") => return Err(BackendError::unavailable("no line")),
                _ => Denial::WrongPassword.into(),
            })
        });
        grant.on_account(|request| request.field("card").map(AccountKey::canonical))
    }
}

fn fixture(card: &Card) -> Fixture {
    let client = |id| {
        Client::confidential(id, &digest("s3cret")).allow_password_grant().scopes("read write").default_scope("read")
    };
    let clients = [client("conf").allow_grant(TYPE).build().unwrap(), client("conf2").build().unwrap()];
    Fixture::with(|builder| builder.clients(StaticClients::new(clients).unwrap()).extension_grant(card.grant()))
}

fn card(rest: &str) -> String {
    format!("grant_type=urn%3Aexample%3Agrant%3Acard&{rest}")
}

#[tokio::test]
async fn an_extension_grant_and_its_audit_event_have_the_realm_of_the_request_pw_07() {
    let conf = Client::confidential("conf", &digest("s3cret")).allow_grant(TYPE).scopes("read").default_scope("read");
    let clients = StaticClients::new([conf.realm("staff").build().unwrap()]).unwrap();
    let calls = Card(Arc::default(), Some("staff"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let (card_grant, seen) = (calls.grant(), Arc::clone(&told));
    let sink = move |event: &AuditEvent<'_>| seen.lock().unwrap().push(event.realm.map(str::to_owned));
    let fixture = Fixture::with(|builder| builder.clients(clients).extension_grant(card_grant).audit(sink));
    fixture.token(AUTH, &card("card=7&code=1234")).await.assert_ok();
    fixture.token(AUTH, &card("card=7&code=4321")).await.assert_error(400, "invalid_grant");
    // No realm is chosen before it is known who asks.
    fixture.token(&[], &card("card=7&code=1234")).await.assert_error(401, "invalid_client");
    assert_eq!(calls.0.load(Ordering::SeqCst), 2);
    let staff = || Some("staff".to_owned());
    assert_eq!(*told.lock().unwrap(), [staff(), staff(), None]);
}

#[tokio::test]
async fn an_extension_grant_is_served_behind_client_authentication_ca_01_te_09() {
    let calls = Card::default();
    let fixture = fixture(&calls);
    assert_eq!(fixture.token(AUTH, &card("card=7&code=1234")).await.assert_ok()["scope"], "read");
    fixture.token(&[], &card("card=7&code=1234")).await.assert_error(401, "invalid_client");
    let wrong = support::basic("conf", "wrong");
    fixture.token(&[("authorization", &wrong)], &card("card=7&code=1234")).await.assert_error(401, "invalid_client");
    assert_eq!(calls.0.load(Ordering::SeqCst), 1);
    // The password grant beside it is untouched.
    fixture.token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
async fn a_client_needs_the_grant_on_its_list_pw_06() {
    let calls = Card::default();
    let other = support::basic("conf2", "s3cret");
    let answer = fixture(&calls).token(&[("authorization", &other)], &card("card=7&code=1234")).await;
    answer.assert_error(400, "unauthorized_client");
    assert_eq!(calls.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn required_fields_and_scope_are_checked_before_the_grant_is_asked_pw_01_sc_07() {
    let calls = Card::default();
    let fixture = fixture(&calls);
    for rest in ["card=7", "code=1234", "card=7&code="] {
        fixture.token(AUTH, &card(rest)).await.assert_error_about(400, "invalid_request", "missing");
    }
    fixture.token(AUTH, &card("card=7&code=1234&scope=admin")).await.assert_error(400, "invalid_scope");
    assert_eq!(calls.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn its_attempts_are_charged_before_it_is_asked_pw_07() {
    let calls = Card::default();
    let fixture = fixture(&calls);
    for _ in 0..20 {
        fixture.token(AUTH, &card("card=7&code=down")).await.assert_error(503, "temporarily_unavailable");
    }
    for _ in 0..10 {
        fixture.token(AUTH, &card("card=7&code=0000")).await.assert_error(400, "invalid_grant");
    }
    fixture.token(AUTH, &card("card=7&code=1234")).await.assert_error(429, "too_many_attempts");
    assert_eq!(calls.0.load(Ordering::SeqCst), 30);
    fixture.token(AUTH, &card("card=8&code=1234")).await.assert_ok();
}

#[tokio::test]
async fn it_outlives_the_password_grant_that_is_switched_off_pw_17() {
    let fixture = {
        let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().allow_grant(TYPE);
        let client = client.scopes("read").default_scope("read").build().unwrap();
        Fixture::with(|builder| {
            let builder = builder.clients(StaticClients::new([client]).unwrap());
            builder.extension_grant(Card::default().grant()).without_password_grant()
        })
    };
    fixture.token(AUTH, PW).await.assert_error(400, "unsupported_grant_type");
    fixture.token(AUTH, &card("card=7&code=1234")).await.assert_ok();
}

#[tokio::test]
async fn an_extension_grant_sees_no_line_break_and_no_nul_se_04() {
    let calls = Arc::new(AtomicUsize::new(0));
    let client = Client::confidential("conf", &digest("s3cret")).allow_grant("urn:example:grant:refresh");
    let client = client.scopes("read").default_scope("read").build().unwrap();
    let counted = Arc::clone(&calls);
    let grant = OwnGrant::new("urn:example:grant:refresh", &["refresh_token"], move |request| {
        counted.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.field("refresh_token"), Some("rt"));
        Ok(Subject::new("user-1").into())
    });
    let fixture =
        Fixture::with(|builder| builder.clients(StaticClients::new([client]).unwrap()).extension_grant(grant));
    for bad in ["%00", "%0A", "%0D"] {
        let body = format!("grant_type=urn:example:grant:refresh&refresh_token=rt{bad}");
        fixture.token(AUTH, &body).await.assert_error(400, "invalid_request");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    fixture.token(AUTH, "grant_type=urn:example:grant:refresh&refresh_token=rt").await.assert_ok();
}

#[test]
fn two_grants_of_one_type_or_one_that_is_no_uri_are_refused_at_build_te_09() {
    let probe = support::Probe::default();
    let twice = support::builder(&probe)
        .extension_grant(Card::default().grant())
        .extension_grant(Card::default().grant())
        .build();
    assert!(matches!(twice, Err(ConfigError::GrantTwice(name)) if name == TYPE));
    let no_uri = OwnGrant::new("password", &[], |_| Ok(Denial::UnknownUser.into()));
    let bare = support::builder(&probe).extension_grant(no_uri).build();
    assert!(matches!(bare, Err(ConfigError::GrantType(name)) if name == "password"));
}

/// Everybody's password has just changed.
struct Changed;

#[async_trait]
impl CredentialVerifier for Changed {
    async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
        Ok(Denial::WrongPassword.into())
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).with_credential_version("2").into())
    }
}

#[tokio::test]
async fn a_password_login_by_an_extension_grant_is_looked_at_again_before_its_token_is_sent_t62() {
    for begins_password_login in [true, false] {
        let client = Client::confidential("conf", &digest("s3cret")).allow_grant(TYPE).scopes("read");
        let clients = StaticClients::new([client.default_scope("read").build().unwrap()]).unwrap();
        let builder = builder(&Probe::default()).clients(clients).verifier(Changed);
        let directory = OwnGrant::new(TYPE, &[], |_| Ok(Subject::new("user-1").into()));
        let directory = Arc::new(directory.begins_password_login(begins_password_login));
        let layer = builder.extension_grant(directory).build().unwrap();
        let answer = send(&layer, token_request(AUTH, &card(""))).await;
        if begins_password_login {
            answer.assert_error(400, "invalid_grant");
        } else {
            answer.assert_ok();
        }
    }
}
