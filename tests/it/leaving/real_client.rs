//! What the Rust `oauth2` crate makes of a brownout and an end, over real sockets.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError, BasicTokenResponse};
use oauth2::{
    ClientId, EndpointNotSet, EndpointSet, HttpRequest, RefreshToken, RequestTokenError, ResourceOwnerPassword,
    ResourceOwnerUsername, TokenResponse as _, TokenUrl,
};
use tower_password_grant::client::Sunset;

use super::{Bed, DAY, GUIDE, day, plan};
use crate::oauth2_client::{self, HttpError};
use crate::support::server::Server;

const NOT_ALLOWED: &str = "the client may not use this grant type";

type Outcome = Result<BasicTokenResponse, BasicRequestTokenError<HttpError>>;

/// The client `app` of a bed.
struct App {
    client: BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>,
    /// Of the last answer: the crate shows them to what sends its requests alone.
    headers: Arc<Mutex<HeaderMap>>,
    _server: Server,
}

impl App {
    async fn of(bed: &Bed) -> Self {
        let server = Server::start(&bed.layer).await;
        let url = TokenUrl::new(format!("http://{}/oauth/token", server.address)).unwrap();
        let client = BasicClient::new(ClientId::new("app".to_owned())).set_token_uri(url);
        Self { client, headers: Arc::default(), _server: server }
    }

    async fn login(&self, user: &str, password: &str) -> Outcome {
        let send = |request: HttpRequest| async move {
            let answer = oauth2_client::send(request).await?;
            answer.headers().clone_into(&mut self.headers.lock().unwrap());
            Ok::<_, HttpError>(answer)
        };
        let (user, password) =
            (ResourceOwnerUsername::new(user.to_owned()), ResourceOwnerPassword::new(password.to_owned()));
        self.client.exchange_password(&user, &password).request_async(&send).await
    }

    /// The refresh token of a login that succeeds.
    async fn begin(&self, user: &str) -> RefreshToken {
        self.login(user, "right").await.unwrap().refresh_token().unwrap().clone()
    }

    async fn assert_refused(&self, user: &str, password: &str, description: &str, end: &str) {
        let Err(RequestTokenError::ServerResponse(told)) = self.login(user, password).await else {
            panic!("no answer of the server")
        };
        assert_eq!(*told.error(), BasicErrorResponseType::UnauthorizedClient);
        assert_eq!(told.error_description().map(String::as_str), Some(description));
        assert_eq!(told.error_uri().map(String::as_str), Some(GUIDE));
        // What a program writes into its log.
        assert_eq!(told.to_string(), format!("unauthorized_client: {description} (see {GUIDE})"));
        let headers = self.headers.lock().unwrap();
        assert_eq!(headers["sunset"], end);
        assert!(headers["link"].to_str().unwrap().starts_with(&format!("<{GUIDE}>; ")), "{headers:?}");
        assert!(!headers.contains_key("retry-after"), "{headers:?}");
    }

    /// A stored token refreshes: its successor.
    async fn refresh(&self, token: RefreshToken) -> RefreshToken {
        let tokens = self.client.exchange_refresh_token(&token).request_async(&oauth2_client::send).await.unwrap();
        let next = tokens.refresh_token().unwrap().clone();
        assert_ne!(next.secret(), token.secret());
        next
    }
}

/// A bed whose client leaves on day 100, a client of it, and the refresh tokens that it stored before, of `kim` and of `lee`.
async fn stored(plan: Sunset) -> (Bed, App, [RefreshToken; 2]) {
    let bed = Bed::new(plan);
    let app = App::of(&bed).await;
    let tokens = [app.begin("kim").await, app.begin("lee").await];
    (bed, app, tokens)
}

const END: &str = "Sat, 11 Apr 2026 00:00:00 GMT";

#[tokio::test]
async fn the_oauth2_crate_shows_until_when_a_brownout_lasts_and_where_to_read_and_refreshes_what_it_stored() {
    let (bed, app, [mut token, _]) = stored(plan().brownout(day(10), DAY).unwrap()).await;
    bed.go_to(day(10));
    for password in ["right", "wrong"] {
        let description = format!("{NOT_ALLOWED} until Mon, 12 Jan 2026 00:00:00 GMT");
        app.assert_refused("kim", password, &description, END).await;
        token = app.refresh(token).await;
    }
    bed.go_to(day(11));
    app.begin("kim").await;
}

#[tokio::test]
async fn the_oauth2_crate_shows_the_end_and_where_to_read_and_refreshes_what_it_stored() {
    let (bed, app, [mut token, _]) = stored(plan()).await;
    bed.go_to(day(100));
    for password in ["right", "wrong"] {
        app.assert_refused("kim", password, NOT_ALLOWED, END).await;
        token = app.refresh(token).await;
    }
}

#[tokio::test]
async fn while_a_user_is_excepted_the_oauth2_crate_shows_the_end_after_the_right_password_alone() {
    let (bed, app, tokens) = stored(plan().except("kim", day(120)).unwrap()).await;
    bed.go_to(day(100));
    for user in ["kim", "lee"] {
        let refused = oauth2_client::error_of(app.login(user, "wrong").await);
        assert_eq!(refused, BasicErrorResponseType::InvalidGrant);
    }
    app.assert_refused("lee", "right", NOT_ALLOWED, END).await;
    app.begin("kim").await;
    for token in tokens {
        app.refresh(token).await;
    }
}
