//! Parts that wait for nothing give their answers without a future, and others are asked as ever.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::realms::Realms;
use tower_password_grant::token::Token;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientRegistry, CredentialVerifier, Denial, Grant, IssuedTokens, StaticClients,
    Subject, TokenIssuer, Verdict, issue_fn, verify_fn,
};

use crate::support::{AUTH, PW, Probe, builder, clients, send, token_request};

/// Knows its clients at once, and has nothing to wait for.
struct AtOnce(StaticClients);

#[async_trait]
impl ClientRegistry for AtOnce {
    async fn find(&self, _: &str) -> Result<Option<Client>, BackendError> {
        Err("it was waited for".into())
    }

    fn find_at_once<'a>(&'a self, client_id: &'a str) -> MaybeFuture<'a, Result<Option<Client>, BackendError>> {
        self.0.find_at_once(client_id)
    }
}

#[async_trait]
impl TokenIssuer for AtOnce {
    async fn issue(&self, _: Grant) -> Result<IssuedTokens, BackendError> {
        Err("it was waited for".into())
    }

    fn issue_at_once(&self, grant: Grant) -> MaybeFuture<'_, Result<IssuedTokens, BackendError>> {
        let tokens = |token| IssuedTokens::bearer(token, grant.lifetime());
        MaybeFuture::ready(Token::random("at_once_").map(tokens).map_err(BackendError::from))
    }
}

fn verdict(attempt: &Attempt) -> Verdict {
    match attempt.password().expose() {
        "correct horse" => Subject::new("user-alice").into(),
        _ => Denial::WrongPassword.into(),
    }
}

#[async_trait]
impl CredentialVerifier for AtOnce {
    async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
        Err("it was waited for".into())
    }

    fn verify_at_once(&self, attempt: Attempt) -> MaybeFuture<'_, Result<Verdict, BackendError>> {
        MaybeFuture::ready(Ok(verdict(&attempt)))
    }
}

/// Looks somewhere else first.
struct Later(StaticClients);

#[async_trait]
impl ClientRegistry for Later {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        tokio::task::yield_now().await;
        self.0.find(client_id).await
    }
}

#[async_trait]
impl TokenIssuer for Later {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        tokio::task::yield_now().await;
        Ok(IssuedTokens::bearer(Token::random("later_")?, grant.lifetime()))
    }
}

#[async_trait]
impl CredentialVerifier for Later {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        tokio::task::yield_now().await;
        Ok(verdict(&attempt))
    }
}

async fn token_of<P: ClientRegistry + CredentialVerifier + TokenIssuer>(part: P) -> String {
    // Shared, as applications hold what they use elsewhere, too.
    let part = Arc::new(part);
    let layer = builder(&Probe::default()).clients(Arc::clone(&part)).verifier(Arc::clone(&part)).issuer(part);
    let layer = layer.build().unwrap();
    send(&layer, token_request(AUTH, "grant_type=password&username=alice&password=wrong"))
        .await
        .assert_error(400, "invalid_grant");
    let answer = send(&layer, token_request(AUTH, PW)).await;
    answer.assert_ok()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn parts_that_answer_at_once_are_not_waited_for() {
    assert!(token_of(AtOnce(StaticClients::new(clients()).unwrap())).await.starts_with("at_once_"));
}

#[tokio::test]
async fn parts_that_take_their_time_are_asked_as_ever() {
    assert!(token_of(Later(StaticClients::new(clients()).unwrap())).await.starts_with("later_"));
}

#[tokio::test]
async fn a_fixed_list_of_clients_answers_at_once_what_it_finds() {
    let list = StaticClients::new(clients()).unwrap();
    for id in ["conf", "nobody"] {
        let (now, later) = (list.find_at_once(id).await.unwrap(), list.find(id).await.unwrap());
        assert_eq!(now.as_ref().map(Client::id), later.as_ref().map(Client::id));
        assert_eq!(now.is_some(), id == "conf");
    }
}

/// The subjects of two logins in the second of two realms, whose verifier this is: with a right password and a wrong one.
async fn subjects_in_a_realm(realms: Realms, verifier: impl CredentialVerifier) -> Vec<String> {
    let nobody = verify_fn(|_| async { Ok(Denial::UnknownUser.into()) });
    let realms = realms.realm("customers", nobody).unwrap().realm("employees", verifier).unwrap();
    let app = Client::public("app").allow_password_grant().realms(["customers", "employees"]);
    let clients = StaticClients::new([app.scopes("read").default_scope("read").build().unwrap()]).unwrap();
    let subjects = Arc::new(Mutex::new(Vec::new()));
    let issued = Arc::clone(&subjects);
    let issuer = issue_fn(move |grant: Grant| {
        issued.lock().unwrap().push(grant.subject().id().to_owned());
        async move { Ok(IssuedTokens::bearer(Token::random("")?, grant.lifetime())) }
    });
    let layer = builder(&Probe::default()).clients(clients).verifier(realms).issuer(issuer).build().unwrap();
    let login = |password: &str| format!("{PW}{password}&client_id=app&realm=employees");
    send(&layer, token_request(&[], &login(""))).await.assert_ok();
    send(&layer, token_request(&[], &login("+no"))).await.assert_error(400, "invalid_grant");
    subjects.lock().unwrap().clone()
}

#[tokio::test]
async fn a_verifier_of_a_realm_answers_at_once_or_later_as_it_does_alone() {
    let (at_once, later) = (AtOnce(StaticClients::new([]).unwrap()), Later(StaticClients::new([]).unwrap()));
    let (at_once, later) = (Arc::new(at_once), Arc::new(later));
    for (keeps_ids, subject) in [(false, "employees|user-alice"), (true, "user-alice")] {
        let realms = || if keeps_ids { Realms::new().keep_subject_ids() } else { Realms::new() };
        assert_eq!(subjects_in_a_realm(realms(), Arc::clone(&at_once)).await, [subject]);
        assert_eq!(subjects_in_a_realm(realms(), Arc::clone(&later)).await, [subject]);
    }
}
