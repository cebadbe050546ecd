//! Where the endpoints are.

use http::Method;
use tower_password_grant::mount::FactorEndpoints;
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::{OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients};

use crate::support::factors::{self, FactorBed, JSON, Outbox, People, bearer_of, request};

#[tokio::test]
async fn the_paths_are_those_that_are_set() {
    let endpoints = FactorEndpoints::new().challenge("/a").associate("/b").authenticators("/c");
    let bed = FactorBed::with(|factors| factors, |builder| builder.factor_endpoints(endpoints));
    let bearer = bearer_of(&bed.manager("alice").await);
    let headers = [JSON, ("authorization", &*bearer)];
    for (method, path, status) in [
        // It goes by its client, which is not there.
        (Method::POST, "/a", 401),
        (Method::POST, "/b", 400),
        (Method::GET, "/c", 200),
        (Method::DELETE, "/c/totp%7Cdev_1", 400),
    ] {
        assert_eq!(bed.send(request(method, path, &headers, "{}")).await.status, status, "{path}");
    }
    for path in ["/mfa/challenge", "/mfa/associate", "/mfa/authenticators", "/mfa/authenticators/1"] {
        assert_eq!(bed.send(request(Method::GET, path, &headers, "")).await.body, "inner", "{path}");
    }
}

#[tokio::test]
async fn without_second_factors_there_are_none() {
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(factors::clients()).unwrap())
        .verifier(People::default())
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .factor_endpoints(FactorEndpoints::new())
        .peer_address(PeerAddress::unknown());
    let bed = FactorBed { layer: layer.build().unwrap(), ..FactorBed::new() };
    for path in ["/mfa/challenge", "/mfa/associate", "/mfa/authenticators", "/mfa/authenticators/1"] {
        assert_eq!(bed.send(request(Method::GET, path, &[], "")).await.body, "inner", "{path}");
    }
}

#[test]
fn a_path_is_a_path_and_each_has_its_own() {
    for (endpoints, piece) in [
        (FactorEndpoints::new().challenge("mfa"), "the path `mfa` must start with `/`"),
        (FactorEndpoints::new().authenticators("/a/{id}"), "nor parameters in braces"),
        (FactorEndpoints::new().associate("/mfa/challenge"), "the path `/mfa/challenge` is used twice"),
        (FactorEndpoints::new().challenge("/oauth/token"), "the path `/oauth/token` is used twice"),
    ] {
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(factors::clients()).unwrap())
            .verifier(People::default())
            .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .metadata(tower_password_grant::mount::Metadata::new(factors::ISSUER))
            .second_factor(factors::factors(&Default::default(), &Outbox::default()))
            .factor_endpoints(endpoints)
            .peer_address(PeerAddress::unknown());
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(piece), "{error}");
    }
}
