//! The access token of a login and of a refresh is saved in the step of its refresh token where one store keeps both; and no
//! part in between, whatever it forwards and whatever it forgets, makes a client get a token that was not saved.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::store::{
    AccessTokenRecord, FamilyId, MemoryRefreshTokens, NewFamily, RefreshTokenStore, Rotation, StoreIdentity,
    StoredFamily, UnsavedAccessToken,
};
use tower_password_grant::token::{RefreshTokens, Token};
use tower_password_grant::{
    BackendError, ClientId, Grant, IssuedTokens, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress,
    StaticClients, TokenIssuer,
};

use crate::support::both::Both;
use crate::support::capture::Capture;
use crate::support::tokens::{Users, clients};
use crate::support::{Answer, basic, send};

/// What an application's own part around another does with what passes through it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrapping {
    ForwardsAll,
    /// It was written before parts had an identity.
    ForgetsTheIdentity,
    LosesTheRecord,
    /// It tells the identity of another store.
    Misnames,
}

/// An application's own part around another.
struct Wrapper<T>(T, Wrapping);

#[async_trait]
impl<T: TokenIssuer> TokenIssuer for Wrapper<T> {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let lifetime = grant.lifetime();
        let issued = self.0.issue(grant).await?;
        match self.1 {
            Wrapping::LosesTheRecord => Ok(IssuedTokens::bearer(Token::random("own_")?, lifetime)),
            _ => issued.with_extra("wrapped", true).map_err(BackendError::fault),
        }
    }

    fn store_identity(&self) -> Option<StoreIdentity> {
        match self.1 {
            Wrapping::ForwardsAll | Wrapping::LosesTheRecord => self.0.store_identity(),
            Wrapping::ForgetsTheIdentity => None,
            Wrapping::Misnames => Some(StoreIdentity::new()),
        }
    }
}

#[async_trait]
impl<T: RefreshTokenStore> RefreshTokenStore for Wrapper<T> {
    async fn begin(&self, mut new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        if self.1 == Wrapping::LosesTheRecord {
            new.access_token = None;
        }
        self.0.begin(new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move { self.0.find(family).await })
    }

    fn rotate(&self, mut rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            if self.1 == Wrapping::LosesTheRecord {
                rotation.access_token = None;
            }
            self.0.rotate(rotation).await
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.0.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.0.revoke_subject(realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        match self.1 {
            Wrapping::ForwardsAll | Wrapping::LosesTheRecord => self.0.identity(),
            Wrapping::ForgetsTheIdentity => None,
            Wrapping::Misnames => Some(StoreIdentity::new()),
        }
    }
}

fn layer(issuer: impl TokenIssuer, refresh: impl RefreshTokenStore) -> PasswordGrantLayer {
    PasswordGrant::builder()
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(Users::new())
        .issuer(issuer)
        .refresh_tokens(RefreshTokens::in_store(refresh))
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap()
}

async fn post(layer: &PasswordGrantLayer, form: &str) -> Answer {
    let request = http::Request::post("/oauth/token")
        .header("host", "as.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", basic("conf", "conf-pw"));
    send(layer, request.body(http_body_util::Full::<bytes::Bytes>::new(form.to_owned().into())).unwrap()).await
}

const LOGIN: &str = "grant_type=password&username=alice&password=correct+horse";

fn refresh_with(token: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={token}")
}

/// Logs in and refreshes, and answers what was written; every token that was given is good.
async fn use_all(store: &Both, issuer: impl TokenIssuer, refresh: impl RefreshTokenStore) -> Vec<&'static str> {
    let layer = layer(issuer, refresh);
    let looks_up = OpaqueIssuer::new(store.clone());
    let mut form = LOGIN.to_owned();
    for _ in 0..3 {
        let json = post(&layer, &form).await.assert_ok();
        let token = json["access_token"].as_str().unwrap();
        assert!(looks_up.verify(token).await.unwrap().is_some(), "a token that was given is good");
        form = refresh_with(json["refresh_token"].as_str().unwrap());
    }
    store.written()
}

const TOGETHER: [&str; 3] = ["begin with token", "rotate with token", "rotate with token"];
const INSERTED_FIRST: [&str; 6] = ["insert", "begin", "insert", "rotate", "insert", "rotate"];

#[tokio::test]
async fn one_store_of_both_saves_both_in_one_step_behind_whatever_forwards_its_identity() {
    let store = Both::new();
    assert_eq!(use_all(&store, OpaqueIssuer::new(store.clone()), store.clone()).await, TOGETHER);
    let issuer: Arc<dyn TokenIssuer> = Arc::new(OpaqueIssuer::new(Arc::new(store.clone())));
    let refresh: Arc<dyn RefreshTokenStore> = Arc::new(Arc::new(store.clone()));
    assert_eq!(use_all(&store, issuer, refresh).await, TOGETHER);
    let issuer = Wrapper(OpaqueIssuer::new(store.clone()), Wrapping::ForwardsAll);
    assert_eq!(use_all(&store, issuer, Wrapper(store.clone(), Wrapping::ForwardsAll)).await, TOGETHER);
}

#[tokio::test]
async fn a_wrapper_that_does_not_forward_the_identity_has_the_issuer_save_first() {
    let store = Both::new();
    for wrapping in [Wrapping::ForgetsTheIdentity, Wrapping::Misnames] {
        let issuer = || OpaqueIssuer::new(store.clone());
        let written = use_all(&store, Wrapper(issuer(), wrapping), store.clone()).await;
        assert_eq!(written, INSERTED_FIRST, "around the issuer: {wrapping:?}");
        let written = use_all(&store, issuer(), Wrapper(store.clone(), wrapping)).await;
        assert_eq!(written, INSERTED_FIRST, "around the store: {wrapping:?}");
    }
}

#[tokio::test]
async fn stores_that_are_not_one_have_the_issuer_save_first() {
    let (store, other) = (Both::new(), Both::new());
    assert_eq!(use_all(&store, OpaqueIssuer::new(store.clone()), other.clone()).await, ["insert"; 3]);
    assert_eq!(other.written(), ["begin", "rotate", "rotate"]);
    assert_eq!(use_all(&store, OpaqueIssuer::new(store.clone()), MemoryRefreshTokens::new()).await, ["insert"; 3]);
}

/// A login and a refresh are refused as faults, and give no token.
async fn assert_refused(store: &Both, issuer: impl TokenIssuer, refresh: impl RefreshTokenStore) {
    let sound = layer(OpaqueIssuer::new(store.clone()), store.clone());
    let json = post(&sound, LOGIN).await.assert_ok();
    let token = json["refresh_token"].as_str().unwrap();
    let broken = layer(issuer, refresh);
    for form in [LOGIN.to_owned(), refresh_with(token)] {
        let answer = post(&broken, &form).await;
        assert_eq!(answer.status.as_u16(), 500, "{answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("_token\""), "{answer:?}");
    }
    // The login is not lost: the sound one answers the request that failed.
    post(&sound, &refresh_with(token)).await.assert_ok();
}

#[tokio::test]
async fn a_wrapper_that_loses_the_record_is_a_fault_and_its_token_is_never_sent() {
    let store = Both::new();
    let issuer = || OpaqueIssuer::new(store.clone());
    assert_refused(&store, Wrapper(issuer(), Wrapping::LosesTheRecord), store.clone()).await;
    assert_refused(&store, issuer(), Wrapper(store.clone(), Wrapping::LosesTheRecord)).await;
}

/// An issuer that leaves its records whatever the grant says.
struct Careless;

#[async_trait]
impl TokenIssuer for Careless {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let token = Token::random("own_")?;
        let (client, now) = (ClientId::new("conf").unwrap(), SystemTime::now());
        let record = AccessTokenRecord::new("user-alice", client, now, now + grant.lifetime());
        let unsaved = UnsavedAccessToken::new(token.digest(), record);
        Ok(IssuedTokens::bearer(token, grant.lifetime()).with_unsaved(unsaved))
    }
}

#[tokio::test]
async fn a_record_that_nobody_was_asked_to_leave_is_a_fault_and_its_token_is_never_sent() {
    let store = Both::new();
    assert_refused(&store, Careless, store.clone()).await;
    // Nor where there is no refresh token.
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(Users::new())
        .issuer(Careless)
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    assert_eq!(post(&layer, LOGIN).await.status.as_u16(), 500);
}

/// An issuer that gives refresh tokens of its own.
struct Refreshing;

#[async_trait]
impl TokenIssuer for Refreshing {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let tokens = IssuedTokens::bearer(Token::random("own_")?, grant.lifetime());
        Ok(tokens.with_refresh_token(Token::random("rt_")?))
    }
}

#[tokio::test]
async fn a_refresh_token_of_the_issuer_beside_those_of_a_store_is_a_fault_of_the_issuer_and_says_what_to_do() {
    let layer = layer(Refreshing, MemoryRefreshTokens::new());
    let (capture, _listening) = Capture::listen();
    assert_eq!(post(&layer, LOGIN).await.status.as_u16(), 500);
    let events = capture.events();
    let failed = events.iter().find(|said| said.field("message") == Some("token request failed")).unwrap();
    assert_eq!(failed.field("reason"), Some("issuer_failed"));
    assert!(failed.field("cause").unwrap().contains("leave out `IssuedTokens::with_refresh_token`"), "{failed:?}");
    assert_eq!(failed.field("hint"), None, "nothing is wrong with its characters");
}
