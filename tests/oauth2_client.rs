//! The Rust `oauth2` crate gets its tokens over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

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
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, RequestTokenError,
    ResourceOwnerPassword, ResourceOwnerUsername, Scope, TokenResponse as _, TokenUrl,
};
use support::Probe;
use tower_password_grant::PeerAddress;

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;
type HttpError = hyper_util::client::legacy::Error;

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
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn client(address: SocketAddr, id: &str) -> Client {
    let url = TokenUrl::new(format!("http://{address}/oauth/token")).unwrap();
    BasicClient::new(ClientId::new(id.to_owned())).set_token_uri(url)
}

async fn send(request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let http = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let (parts, body) = http.request(request.map(|body| Full::new(body.into()))).await?.into_parts();
    let body = body.collect().await.expect("the body breaks off").to_bytes();
    Ok(HttpResponse::from_parts(parts, body.to_vec()))
}

async fn login(
    client: &Client,
    password: &str,
    scopes: &[&str],
) -> Result<oauth2::basic::BasicTokenResponse, BasicRequestTokenError<HttpError>> {
    let (username, password) =
        (ResourceOwnerUsername::new("alice".to_owned()), ResourceOwnerPassword::new(password.to_owned()));
    let scopes = scopes.iter().map(|scope| Scope::new((*scope).to_owned()));
    client.exchange_password(&username, &password).add_scopes(scopes).request_async(&send).await
}

#[track_caller]
fn error_of<T: std::fmt::Debug>(outcome: Result<T, BasicRequestTokenError<HttpError>>) -> BasicErrorResponseType {
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
