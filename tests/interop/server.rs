//! A server of two realms with a login rule and second factors, and clients that leave the grant, for OAuth clients that were not written here:
//! `tests/interop/run` starts it. It prints what a client must know of it, each as `NAME=value`.

mod leaving;
#[path = "../../examples/demo/start.rs"]
mod start;
#[allow(dead_code, reason = "the examples use the rest")]
#[path = "../../examples/demo/users.rs"]
mod users;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use leaving::Leaving;
use start::Error;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::mfa::Factors;
use tower_password_grant::mount::Metadata;
use tower_password_grant::realms::Realms;
use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
use tower_password_grant::store::{MemoryAccessTokens, MemoryFactors, MemoryRefreshTokens, SecretDigest};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::user::SecretKeys;
use tower_password_grant::{Client, OpaqueIssuer, PasswordGrant, PeerAddress};
use users::Users;

/// alice's password in each realm.
const CUSTOMER: &str = "a horse of the customers";
const EMPLOYEE: &str = "a horse of the employees";
const SECRET: &str = "a secret of the API";
/// The user that needs a second factor, by the rule.
const DEMANDED: &str = "carol";

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let listener = start::listen().await?;
    let address = listener.local_addr()?;
    let app = app(address)?;
    println!("listening on http://{address}");
    println!("CLIENT_ID=app\nCUSTOMERS_CLIENT_ID=shop\nAPI_CLIENT_ID=api\nAPI_CLIENT_SECRET={SECRET}");
    println!("TOKEN_USERNAME=alice\nCUSTOMER_PASSWORD={CUSTOMER}\nEMPLOYEE_PASSWORD={EMPLOYEE}");
    println!("BLOCKED_USERNAME=bob\nDEMANDED_USERNAME={DEMANDED}");
    println!("ready");
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// The client `app` lists both realms, as do those that leave, and `shop` the customers alone.
fn app(address: SocketAddr) -> Result<Router, Error> {
    let directory = |password| Users::with_password(["alice", "bob", DEMANDED], password).map(Argon2Verifier::new);
    let realms = Realms::new().realm("customers", directory(CUSTOMER)??)?.realm("employees", directory(EMPLOYEE)??)?;
    let client = |id: &str| {
        let client = Client::public(id).allow_password_grant().allow_realm_grant().allow_refresh_tokens();
        let client = client.allow_second_factor();
        client.scopes("read").default_scope("read").realms(["customers", "employees"])
    };
    let api = Client::confidential("api", &SecretDigest::of(SECRET)).allow_introspection();
    let shop = client("shop").realms(["customers"]);
    let clients = Leaving::new(&[client("app").build()?, shop.build()?, api.build()?], client)?;
    let rule = rule_fn("directory", |login: LoginEvent| async move {
        Ok(match login.subject().id() {
            "customers|user:bob" => Ruling::interaction_required(),
            "customers|user:carol" => Ruling::proceed().demand_second_factor(),
            _ => Ruling::proceed().member("directory", login.realm())?,
        })
    });
    let factors = Factors::new(MemoryFactors::new(), SecretKeys::random()?).totp("Example");
    let tokens = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()));
    let layer = PasswordGrant::builder()
        .clients(Arc::clone(&clients))
        .verifier(realms)
        .issuer(Arc::clone(&tokens))
        .access_tokens(tokens)
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .rule(rule)
        .second_factor(factors)
        .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
        .metadata(Metadata::new(format!("http://{address}")))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    Ok(clients.router().layer(layer))
}
