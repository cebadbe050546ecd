//! Parts that wait for nothing give their answers without a future, and others are asked as ever.

use std::sync::Arc;

use async_trait::async_trait;
use tower_password_grant::store::MaybeFuture;
use tower_password_grant::token::Token;
use tower_password_grant::{BackendError, Client, ClientRegistry, Grant, IssuedTokens, StaticClients, TokenIssuer};

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

async fn token_of<P: ClientRegistry + TokenIssuer>(part: P) -> String {
    // Shared, as applications hold what they use elsewhere, too.
    let part = Arc::new(part);
    let layer = builder(&Probe::default()).clients(Arc::clone(&part)).issuer(part).build().unwrap();
    let answer = send(&layer, token_request(AUTH, PW)).await;
    answer.assert_ok()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_registry_and_an_issuer_that_answer_at_once_are_not_waited_for() {
    assert!(token_of(AtOnce(StaticClients::new(clients()).unwrap())).await.starts_with("at_once_"));
}

#[tokio::test]
async fn a_registry_and_an_issuer_that_take_their_time_are_asked_as_ever() {
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
