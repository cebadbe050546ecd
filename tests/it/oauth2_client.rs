//! The Rust `oauth2` crate gets, refreshes, asks about and revokes its tokens over real sockets.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError};
use oauth2::{
    AccessToken, AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, EndpointState, HttpRequest,
    HttpResponse, IntrospectionUrl, RefreshToken, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername,
    RevocationErrorResponseType, RevocationUrl, Scope, StandardRevocableToken, TokenIntrospectionResponse as _,
    TokenResponse as _, TokenUrl,
};
use tower_password_grant::PeerAddress;

use crate::support::server::Server;
use crate::support::tokens::Tokens;
use crate::support::{self, Probe, spawn};

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;
/// A client that knows the endpoints for introspection and revocation, too.
type FullClient = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;
pub type HttpError = hyper_util::client::legacy::Error;

/// The fixture's endpoint behind axum on a port of its own.
async fn serve() -> SocketAddr {
    let layer = support::builder(&Probe::default())
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()
        .unwrap();
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    spawn(async move { axum::serve(listener, service).await });
    address
}

fn client(address: SocketAddr, id: &str) -> Client {
    let url = TokenUrl::new(format!("http://{address}/oauth/token")).unwrap();
    BasicClient::new(ClientId::new(id.to_owned())).set_token_uri(url)
}

/// Sends what the crate made. It revokes over `https:` only: here the TLS ends in front of the server.
pub async fn send(mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let uri = request.uri().to_string();
    *request.uri_mut() = uri.replacen("https:", "http:", 1).parse().unwrap();
    let http = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (parts, body) = http.request(request.map(|body| Full::new(body.into()))).await?.into_parts();
    let body = body.collect().await.expect("the body breaks off").to_bytes();
    Ok(HttpResponse::from_parts(parts, body.to_vec()))
}

async fn login<I: EndpointState, R: EndpointState>(
    client: &BasicClient<EndpointNotSet, EndpointNotSet, I, R, EndpointSet>,
    password: &str,
    scopes: &[&str],
) -> Result<oauth2::basic::BasicTokenResponse, BasicRequestTokenError<HttpError>> {
    let (username, password) =
        (ResourceOwnerUsername::new("alice".to_owned()), ResourceOwnerPassword::new(password.to_owned()));
    let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
    client.exchange_password(&username, &password).add_scopes(scopes).request_async(&send).await
}

#[track_caller]
pub fn error_of<T: std::fmt::Debug>(outcome: Result<T, BasicRequestTokenError<HttpError>>) -> BasicErrorResponseType {
    match outcome {
        Err(RequestTokenError::ServerResponse(response)) => response.error().clone(),
        other => panic!("no error of the server: {other:?}"),
    }
}

#[tokio::test]
async fn a_confidential_client_authenticates_in_the_header_ca_01() {
    let client = client(serve().await, "conf").set_client_secret(ClientSecret::new("s3cret".to_owned()));
    let tokens = login(&client, "correct horse", &["read", "write"]).await.unwrap();
    assert!(tokens.access_token().secret().starts_with("at_"));
    assert_eq!(tokens.expires_in().unwrap().as_secs(), 3600);
    assert_eq!(tokens.scopes().unwrap().len(), 2);
}

#[tokio::test]
async fn a_confidential_client_authenticates_in_the_body() {
    let client = client(serve().await, "conf")
        .set_client_secret(ClientSecret::new("s3cret".to_owned()))
        .set_auth_type(AuthType::RequestBody);
    login(&client, "correct horse", &["read"]).await.unwrap();
}

#[tokio::test]
async fn an_id_and_secret_with_every_awkward_character_are_form_encoded_in_the_header_ca_02() {
    let client = client(serve().await, "we ird:id%+").set_client_secret(ClientSecret::new("p%ss+w:rd".to_owned()));
    login(&client, "correct horse", &[]).await.unwrap();
}

#[tokio::test]
async fn a_public_client_gets_its_default_scope() {
    let tokens = login(&client(serve().await, "pub"), "correct horse", &[]).await.unwrap();
    assert_eq!(tokens.scopes().unwrap(), &[Scope::new("read".to_owned())]);
}

#[tokio::test]
async fn a_wrong_password_a_wrong_secret_and_an_unknown_scope_have_their_own_errors() {
    let address = serve().await;
    let public = client(address, "pub");
    assert_eq!(error_of(login(&public, "wrong", &[]).await), BasicErrorResponseType::InvalidGrant);
    assert_eq!(error_of(login(&public, "correct horse", &["admin"]).await), BasicErrorResponseType::InvalidScope);
    let impostor = client(address, "conf").set_client_secret(ClientSecret::new("wrong".to_owned()));
    assert_eq!(error_of(login(&impostor, "correct horse", &[]).await), BasicErrorResponseType::InvalidClient);
}

/// A client of the endpoint with refresh tokens, whose secret is its id and `-pw` unless it is public.
fn full_client(server: &Server, id: &str) -> FullClient {
    let client = client(server.address, id)
        .set_introspection_url(IntrospectionUrl::new(format!("http://{}/oauth/introspect", server.address)).unwrap())
        .set_revocation_url(RevocationUrl::new(format!("https://{}/oauth/revoke", server.address)).unwrap());
    if id.starts_with("pub") { client } else { client.set_client_secret(ClientSecret::new(format!("{id}-pw"))) }
}

/// One rotation: the answer and its refresh token, which is a new one.
async fn refresh(client: &FullClient, token: &RefreshToken) -> (AccessToken, RefreshToken) {
    let tokens = client.exchange_refresh_token(token).request_async(&send).await.unwrap();
    let next = tokens.refresh_token().expect("no successor").clone();
    assert_ne!(next.secret(), token.secret());
    (tokens.access_token().clone(), next)
}

async fn refusal_of(client: &FullClient, token: &RefreshToken) -> BasicErrorResponseType {
    error_of(client.exchange_refresh_token(token).request_async(&send).await)
}

async fn revoke(client: &FullClient, token: impl Into<StandardRevocableToken>) {
    client.revoke_token(token.into()).unwrap().request_async(&send).await.unwrap();
}

/// Whether the resource server of the fixture is told that a token is good.
async fn is_active(server: &Server, token: &AccessToken) -> bool {
    full_client(server, "rs").introspect(token).request_async(&send).await.unwrap().active()
}

/// Login, refresh with the rotated token, introspection, revocation, and what is left after it: nothing.
async fn live_a_whole_life(client: &FullClient, server: &Server) {
    let tokens = login(client, "correct horse", &["read"]).await.unwrap();
    let first = tokens.refresh_token().expect("no refresh token").clone();
    let (_, second) = refresh(client, &first).await;
    let (access, third) = refresh(client, &second).await;

    let told = full_client(server, "rs").introspect(&access).request_async(&send).await.unwrap();
    assert!(told.active());
    assert_eq!(told.sub(), Some("user-alice"));
    assert_eq!(told.client_id(), Some(client.client_id()));
    assert_eq!(told.scopes().unwrap(), &[Scope::new("read".to_owned())]);
    assert_eq!((told.exp().unwrap() - told.iat().unwrap()).num_seconds(), 3600);

    revoke(client, &third).await;
    assert_eq!(refusal_of(client, &third).await, BasicErrorResponseType::InvalidGrant);
    for access in [tokens.access_token(), &access] {
        assert!(!is_active(server, access).await);
    }
    // There is nothing left to revoke, which is no error (RFC 7009 section 2.2).
    revoke(client, &third).await;
}

#[tokio::test]
async fn a_confidential_client_refreshes_introspects_and_revokes() {
    let server = Server::start(&Tokens::new().layer).await;
    let client = full_client(&server, "conf");
    live_a_whole_life(&client, &server).await;
    live_a_whole_life(&client.set_auth_type(AuthType::RequestBody), &server).await;
}

#[tokio::test]
async fn a_public_client_refreshes_and_revokes() {
    let server = Server::start(&Tokens::new().layer).await;
    live_a_whole_life(&full_client(&server, "pub"), &server).await;
}

#[tokio::test]
async fn a_client_that_lost_an_answer_gets_the_same_successor_again() {
    let server = Server::start(&Tokens::new().layer).await;
    let client = full_client(&server, "pub");
    let first = login(&client, "correct horse", &[]).await.unwrap().refresh_token().unwrap().clone();
    let (_, lost) = refresh(&client, &first).await;
    let (access, found) = refresh(&client, &first).await;
    assert_eq!(lost.secret(), found.secret());
    assert!(is_active(&server, &access).await);
    refresh(&client, &found).await;
}

#[tokio::test]
async fn a_replayed_token_ends_the_login() {
    let server = Server::start(&Tokens::new().layer).await;
    for id in ["conf", "pub"] {
        let client = full_client(&server, id);
        let first = login(&client, "correct horse", &[]).await.unwrap().refresh_token().unwrap().clone();
        let (_, second) = refresh(&client, &first).await;
        let (access, third) = refresh(&client, &second).await;
        assert!(is_active(&server, &access).await);
        assert_eq!(refusal_of(&client, &first).await, BasicErrorResponseType::InvalidGrant);
        assert_eq!(refusal_of(&client, &third).await, BasicErrorResponseType::InvalidGrant);
        assert!(!is_active(&server, &access).await);
    }
}

#[tokio::test]
async fn an_access_token_is_revoked_alone() {
    let server = Server::start(&Tokens::new().layer).await;
    let client = full_client(&server, "conf");
    let tokens = login(&client, "correct horse", &[]).await.unwrap();
    revoke(&client, tokens.access_token()).await;
    assert!(!is_active(&server, tokens.access_token()).await);
    let (access, _) = refresh(&client, tokens.refresh_token().unwrap()).await;
    assert!(is_active(&server, &access).await);
}

#[tokio::test]
async fn a_refresh_narrows_the_scope_of_one_access_token_and_widens_none() {
    let server = Server::start(&Tokens::new().layer).await;
    let client = full_client(&server, "pub");
    let first = login(&client, "correct horse", &["read", "write"]).await.unwrap().refresh_token().unwrap().clone();
    let (read, admin) = (Scope::new("read".to_owned()), Scope::new("admin".to_owned()));
    let wider = client.exchange_refresh_token(&first).add_scope(admin).request_async(&send).await;
    assert_eq!(error_of(wider), BasicErrorResponseType::InvalidScope);
    let narrow = client.exchange_refresh_token(&first).add_scope(read.clone()).request_async(&send).await.unwrap();
    assert_eq!(narrow.scopes().unwrap(), &[read]);
    let again = client.exchange_refresh_token(narrow.refresh_token().unwrap()).request_async(&send).await.unwrap();
    assert_eq!(again.scopes().unwrap().len(), 2);
}

#[tokio::test]
async fn strangers_neither_refresh_revoke_nor_introspect() {
    let server = Server::start(&Tokens::new().layer).await;
    let owner = full_client(&server, "pub");
    let tokens = login(&owner, "correct horse", &[]).await.unwrap();
    let (access, token) = (tokens.access_token(), tokens.refresh_token().unwrap());

    for stranger in ["pub2", "conf2"].map(|id| full_client(&server, id)) {
        assert_eq!(refusal_of(&stranger, token).await, BasicErrorResponseType::InvalidGrant);
    }
    // A client without the right to ask learns of no token; one without a secret may not even ask.
    assert!(!full_client(&server, "conf2").introspect(access).request_async(&send).await.unwrap().active());
    let refused = full_client(&server, "pub2").introspect(access).request_async(&send).await;
    assert_eq!(error_of(refused), BasicErrorResponseType::InvalidClient);
    // A client whose id proves nothing does not learn whose token it is, and ends nothing.
    revoke(&full_client(&server, "pub2"), token.clone()).await;
    let impostor = full_client(&server, "conf").set_client_secret(ClientSecret::new("wrong".to_owned()));
    let refused = impostor.revoke_token(token.into()).unwrap().request_async(&send).await;
    let Err(RequestTokenError::ServerResponse(refused)) = refused else { panic!("{refused:?}") };
    let RevocationErrorResponseType::Basic(code) = refused.error() else { panic!("{refused:?}") };
    assert_eq!(code.to_string(), "invalid_client");
    assert!(is_active(&server, access).await);
    refresh(&owner, token).await;
}
