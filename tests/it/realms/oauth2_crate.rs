//! The Rust `oauth2` crate with its extra parameter `realm`, over real sockets.

use oauth2::basic::{
    BasicErrorResponse, BasicErrorResponseType, BasicRequestTokenError, BasicRevocationErrorResponse, BasicTokenType,
};
use oauth2::{
    ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, IntrospectionUrl,
    ResourceOwnerPassword, ResourceOwnerUsername, StandardRevocableToken, StandardTokenIntrospectionResponse,
    StandardTokenResponse, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};

use super::world::{REALM_GRANT, Stores, World, clients};
use crate::oauth2_client::{HttpError, error_of, send};

/// What the answers of this server have beside those of RFC 6749 and RFC 7662.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct More {
    realm: Option<String>,
    directory: Option<String>,
}

impl ExtraTokenFields for More {}

type Tokens = StandardTokenResponse<More, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    StandardTokenIntrospectionResponse<More, BasicTokenType>,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
    EndpointSet,
>;
type Answer = Result<Tokens, BasicRequestTokenError<HttpError>>;

fn client(world: &World, id: &str) -> Client {
    let server = format!("http://{}", world.address());
    oauth2::Client::new(ClientId::new(id.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{server}/oauth/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(format!("{server}/oauth/introspect")).unwrap())
}

/// alice's login with this password, and with more parameters.
async fn login(client: &Client, password: &str, more: &[(&'static str, &'static str)]) -> Answer {
    login_by(client, password, more, send).await
}

/// The same by the realm grant. The crate has no function for it: what sends its requests, which is the application's own, writes
/// the grant type.
async fn login_in_realm(client: &Client, password: &str, more: &[(&'static str, &'static str)]) -> Answer {
    let send_in_realm = |mut request: HttpRequest| {
        let form = String::from_utf8(request.body().clone()).unwrap();
        assert_eq!(form.matches("grant_type=password&").count(), 1, "{form}");
        *request.body_mut() = form.replace("grant_type=password&", &format!("grant_type={REALM_GRANT}&")).into();
        send(request)
    };
    login_by(client, password, more, send_in_realm).await
}

async fn login_by<F: Future<Output = Result<HttpResponse, HttpError>>>(
    client: &Client,
    password: &str,
    more: &[(&'static str, &'static str)],
    send: impl Fn(HttpRequest) -> F,
) -> Answer {
    let username = ResourceOwnerUsername::new("alice".to_owned());
    let password = ResourceOwnerPassword::new(password.to_owned());
    let request = client.exchange_password(&username, &password);
    let request = more.iter().fold(request, |request, (name, value)| request.add_extra_param(*name, *value));
    request.request_async(&send).await
}

/// Subject and realm of these tokens, as an API is told.
async fn holder(world: &World, tokens: &Tokens) -> (String, String) {
    let api = client(world, "all").set_client_secret(ClientSecret::new("all-pw".to_owned()));
    let told = api.introspect(tokens.access_token()).request_async(&send).await.unwrap();
    assert!(told.active());
    (told.sub().unwrap().to_owned(), told.extra_fields().realm.clone().unwrap())
}

const CUSTOMER: (&str, &str) = ("customers|1", "customers");
const EMPLOYEE: (&str, &str) = ("employees|1", "employees");

fn is(holder: &(String, String), expected: (&str, &str)) -> bool {
    (holder.0.as_str(), holder.1.as_str()) == expected
}

#[tokio::test]
async fn the_parameter_realm_chooses_the_directory_and_without_it_the_default_holds() {
    let world = World::new().await;
    let app = client(&world, "app");
    for (password, more, expected) in [
        ("one", &[][..], CUSTOMER),
        ("one", &[("realm", "customers")], CUSTOMER),
        ("two", &[("realm", "employees")], EMPLOYEE),
    ] {
        let tokens = login(&app, password, more).await.unwrap();
        assert!(is(&holder(&world, &tokens).await, expected), "{more:?}");
    }
    // The password of one directory opens nothing in the other.
    for (password, more) in [("two", &[][..]), ("one", &[("realm", "employees")])] {
        let refused = login(&app, password, more).await;
        assert_eq!(error_of(refused), BasicErrorResponseType::InvalidGrant, "{more:?}");
    }
}

#[tokio::test]
async fn the_realm_grant_chooses_in_the_same_way_and_needs_the_parameter() {
    let world = World::new().await;
    let app = client(&world, "app");
    for (password, realm, expected) in [("one", "customers", CUSTOMER), ("two", "employees", EMPLOYEE)] {
        let tokens = login_in_realm(&app, password, &[("realm", realm)]).await.unwrap();
        assert!(is(&holder(&world, &tokens).await, expected), "{realm}");
    }
    let refused = login_in_realm(&app, "one", &[]).await;
    assert_eq!(error_of(refused), BasicErrorResponseType::InvalidRequest);
}

#[tokio::test]
async fn a_realm_that_the_client_does_not_list_is_invalid_request_and_says_not_whether_it_exists() {
    let world = World::new().await;
    let shop = client(&world, "shop");
    let mut faces = Vec::new();
    for realm in ["employees", "nowhere"] {
        for answer in
            [login(&shop, "two", &[("realm", realm)]).await, login_in_realm(&shop, "two", &[("realm", realm)]).await]
        {
            let Err(oauth2::RequestTokenError::ServerResponse(refused)) = answer else { panic!("{answer:?}") };
            assert_eq!(*refused.error(), BasicErrorResponseType::InvalidRequest);
            faces.push(refused.to_string());
        }
    }
    assert!(faces.iter().all(|face| *face == faces[0]), "{faces:?}");
    login(&shop, "one", &[("realm", "customers")]).await.unwrap();
}

#[tokio::test]
async fn a_refresh_keeps_the_realm_of_its_login_whatever_realm_it_names() {
    let world = World::new().await;
    let app = client(&world, "app");
    let mut tokens = login(&app, "two", &[("realm", "employees")]).await.unwrap();
    for realm in [None, Some("customers"), Some("nowhere")] {
        let token = tokens.refresh_token().unwrap().clone();
        let request = app.exchange_refresh_token(&token);
        let request = realm.into_iter().fold(request, |request, realm| request.add_extra_param("realm", realm));
        tokens = request.request_async(&send).await.unwrap();
        assert!(is(&holder(&world, &tokens).await, EMPLOYEE), "{realm:?}");
    }
}

#[tokio::test]
async fn a_member_of_a_rule_and_its_interaction_required_reach_the_application() {
    let stores = Stores::new();
    let rule = rule_fn("directory", |login: LoginEvent| async move {
        Ok(match login.realm() {
            Some("employees") => Ruling::interaction_required(),
            realm => Ruling::proceed().member("directory", realm)?,
        })
    });
    let builder = stores.builder(clients(), stores.realms()).rule(rule);
    let world = stores.start(builder.build().unwrap()).await;
    let app = client(&world, "app");
    let tokens = login(&app, "one", &[]).await.unwrap();
    assert_eq!(tokens.extra_fields().directory.as_deref(), Some("customers"));
    let refused = login(&app, "two", &[("realm", "employees")]).await;
    assert_eq!(error_of(refused), BasicErrorResponseType::Extension("interaction_required".to_owned()));
}
