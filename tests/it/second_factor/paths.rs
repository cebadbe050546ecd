//! Where the endpoints are, and what they read.

use std::sync::{Arc, Mutex};

use http::Method;
use tower_password_grant::client::AuthRequest;
use tower_password_grant::mount::{FactorEndpoints, Metadata, Profile};
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::{MaybeFuture, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients};

use crate::support::auth_method::OwnMethod;
use crate::support::factors::{self, FORM, FactorBed, JSON, Outbox, People, bearer_of, request};

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

#[tokio::test]
async fn the_refusal_of_another_media_type_names_what_the_endpoint_reads_in_each_profile() {
    let refused = async |bed: &FactorBed, path: &str| {
        let headers = [("content-type", "text/plain"), ("authorization", "Bearer x")];
        let answer = bed.send(request(Method::POST, path, &headers, "{}")).await;
        answer.assert_error(400, "invalid_request");
        let accepted = answer.header("accept-post").unwrap().to_owned();
        (answer.json()["error_description"].as_str().unwrap().to_owned(), accepted)
    };
    let form = "application/x-www-form-urlencoded";
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::of(profile);
        for (path, reads_json) in
            [("/mfa/challenge", true), ("/mfa/associate", true), ("/oauth/token", profile == Profile::Auth0)]
        {
            let (sentence, accepted) = refused(&bed, path).await;
            for names in [&sentence, &accepted] {
                assert!(names.contains(form), "{profile:?} {path}: {names}");
                assert_eq!(names.contains("application/json"), reads_json, "{profile:?} {path}: {names}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_authentication_method_sees_no_secret_of_a_factor_where_these_are_served_and_its_own_fields_elsewhere()
{
    const FIELDS: [&str; 5] = ["mfa_token", "otp", "oob_code", "binding_code", "recovery_code"];
    let seen = async |serves_factors: bool| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let claim = move |request: &AuthRequest<'_>| {
            *kept.lock().unwrap() = FIELDS.map(|name| request.field(name).map(str::to_owned)).to_vec();
            None
        };
        let own = OwnMethod::new("own", "Own realm=\"keys\"", claim, |_, _| MaybeFuture::ready(Ok(false)));
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(factors::clients()).unwrap())
            .verifier(People::default())
            .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .metadata(Metadata::new(factors::ISSUER))
            .client_auth_method(own)
            .peer_address(PeerAddress::unknown());
        let builder = if serves_factors {
            builder.second_factor(factors::factors(&Arc::default(), &Outbox::default()))
        } else {
            builder
        };
        let bed = FactorBed { layer: builder.build().unwrap(), ..FactorBed::new() };
        let fields: String = FIELDS.iter().map(|name| format!("&{name}=of-{name}")).collect();
        let body = format!("client_id=app&grant_type=password&username=alice&password=correct+horse{fields}");
        bed.send(request(Method::POST, "/oauth/token", &[FORM], &body)).await.assert_ok();
        seen.lock().unwrap().clone()
    };
    assert_eq!(seen(true).await, [const { None::<String> }; 5]);
    assert_eq!(seen(false).await, FIELDS.map(|name| Some(format!("of-{name}"))));
}
