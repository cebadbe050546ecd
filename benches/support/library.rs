//! The layer, with traits of an application that answer at once and do nothing.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::mount::Profile;
use tower_password_grant::realms::Realms;
use tower_password_grant::rules::{Ruling, rule_at_once_fn, rule_fn};
use tower_password_grant::token::Token;
use tower_password_grant::usage::UsageLedger;
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, ClientRegistry, ClientSecret, CredentialVerifier, Denial, Grant,
    IssuedTokens, PasswordGrant, PasswordGrantLayer, PeerAddress, Subject, TokenIssuer, Verdict,
};

use super::{CLIENT, PASSWORD, PATH, REALM, SCOPE, SECRET};

struct Clients(Client);

#[async_trait]
impl ClientRegistry for Clients {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        self.find_at_once(client_id).await
    }

    fn find_at_once<'a>(&'a self, client_id: &'a str) -> MaybeFuture<'a, Result<Option<Client>, BackendError>> {
        MaybeFuture::ready(Ok((client_id == CLIENT).then(|| self.0.clone())))
    }
}

struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.verify_at_once(attempt).await
    }

    fn verify_at_once(&self, attempt: Attempt) -> MaybeFuture<'_, Result<Verdict, BackendError>> {
        MaybeFuture::ready(Ok(match attempt.password().expose() == PASSWORD {
            true => Subject::new("user-1").into(),
            false => Denial::WrongPassword.into(),
        }))
    }
}

struct Tokens;

#[async_trait]
impl TokenIssuer for Tokens {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.issue_at_once(grant).await
    }

    fn issue_at_once(&self, grant: Grant) -> MaybeFuture<'_, Result<IssuedTokens, BackendError>> {
        let tokens = |token| IssuedTokens::bearer(token, grant.lifetime());
        MaybeFuture::ready(Token::random("").map(tokens).map_err(BackendError::from))
    }
}

/// The layer with every default but the path and a ceiling of requests that no load reaches, because it comes from one
/// address. `attempts`: the budget of each account, client and address, so that a benchmark of refusals is not throttled.
pub fn layer(attempts: u32) -> PasswordGrantLayer {
    builder(attempts, client(), Users).build().unwrap()
}

/// The same in the profile of Auth0, which reads JSON, too.
pub fn auth0_layer(attempts: u32) -> PasswordGrantLayer {
    builder(attempts, client(), Users).profile(Profile::Auth0).build().unwrap()
}

/// The same with three rules that decide at once, and let every login go on.
pub fn ruled_layer(attempts: u32) -> PasswordGrantLayer {
    let proceed = |name: &'static str| rule_at_once_fn(name, |_| Ok(Ruling::proceed()));
    let builder = builder(attempts, client(), Users);
    builder.rule(proceed("one")).rule(proceed("two")).rule(proceed("three")).build().unwrap()
}

/// The same with three async closures as rules.
pub fn closures_layer(attempts: u32) -> PasswordGrantLayer {
    let proceed = |name: &'static str| rule_fn(name, |_| async { Ok(Ruling::proceed()) });
    let builder = builder(attempts, client(), Users);
    builder.rule(proceed("one")).rule(proceed("two")).rule(proceed("three")).build().unwrap()
}

/// The same with a usage ledger.
pub fn noted_layer(attempts: u32, usage: UsageLedger) -> PasswordGrantLayer {
    builder(attempts, client(), Users).usage(usage).build().unwrap()
}

/// The same with two realms, the second of which is [`REALM`].
pub fn layer_with_realms(attempts: u32) -> PasswordGrantLayer {
    let realms = Realms::new().realm("customers", Users).unwrap().realm(REALM, Users).unwrap();
    builder(attempts, client().realms(["customers", REALM]).allow_realm_grant(), realms).build().unwrap()
}

fn client() -> ClientBuilder {
    Client::confidential(CLIENT, &ClientSecret::new(SECRET.to_owned()).digest())
        .allow_password_grant()
        .scopes("read write")
        .default_scope(SCOPE)
}

fn builder<V: CredentialVerifier>(attempts: u32, client: ClientBuilder, verifier: V) -> Builder<Clients, V, Tokens> {
    PasswordGrant::builder()
        .clients(Clients(client.build().unwrap()))
        .verifier(verifier)
        .issuer(Tokens)
        .token_path(PATH)
        .attack_protection(
            AttackProtection::new()
                .limiter(
                    MemoryLimiter::new().with_limits(
                        Limits::new()
                            .with_budget(attempts, Duration::from_secs(900))
                            .with_account_budget(Lockout::new(attempts, Duration::from_secs(900)))
                            .with_address_budget(TokenBucket::new(attempts, Duration::from_millis(1))),
                    ),
                )
                .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
        )
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
}
