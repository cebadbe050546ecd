//! Where the claims and members of rules arrive: in each kind of token, in introspection, at a guard, and in the answer.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard, IntrospectionClient, Principal};
use tower_password_grant::rules::{LoginRule, Ruling};
use tower_password_grant::token::{Claims, Token};
use tower_password_grant::{ClientSecret, Grant, IssuedTokens, issue_fn};

use super::parts::ruling;
use crate::support::tokens::{Tokens, clients};
use crate::support::{AUTH, Fixture, PW, Probe, builder, send, token_request};

const TENANT: &str = "https://example.org/tenant";

fn claiming() -> impl LoginRule {
    ruling("claiming", |login| {
        let ruling = Ruling::proceed().claim(TENANT, "acme").unwrap();
        ruling.claim("user", login.subject()).unwrap().claim("levels", [1, 2]).unwrap()
    })
}

fn expected() -> Claims {
    Claims::of(&json!({ TENANT: "acme", "user": "user-alice", "levels": [1, 2] })).unwrap()
}

/// As they stand in a token.
fn in_token() -> Claims {
    let names = ["https://example.org/tenant", "levels", "user"];
    let all = json!({ TENANT: "acme", "user": "user-alice", "levels": [1, 2], "shown_claims": names });
    Claims::of(&all).unwrap()
}

/// The claims that an API behind a guard finds in its caller.
async fn at_the_api(verifier: impl AccessTokenVerifier, audience: &str, token: &str) -> Value {
    let api = service_fn(|request: Request<String>| async move {
        let caller = request.extensions().get::<Principal>().unwrap();
        assert_eq!(caller.claim::<String>(TENANT).as_deref(), Some("acme"));
        let claims = caller.claims().as_json().to_owned();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(claims))))
    });
    let guard = BearerGuard::builder(verifier).audience(audience);
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new()).unwrap();
    let response = guard.build().unwrap().layer(api).oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn claims_stand_in_the_record_of_an_opaque_token_in_introspection_and_at_both_kinds_of_guard() {
    let tokens = Tokens::with(clients(), |builder| builder.rule(claiming()));
    let access = tokens.login("conf").await.access;
    let record = tokens.access.verify(&access).await.unwrap().unwrap();
    assert_eq!(record.claims(), &in_token());

    let told = tokens.introspect("conf", &access).await;
    assert_eq!((&told[TENANT], &told["user"], &told["levels"]), (&json!("acme"), &json!("user-alice"), &json!([1, 2])));
    assert_eq!((&told["sub"], &told["active"]), (&json!("user-alice"), &json!(true)));
    assert_eq!(told.get("shown_claims"), None);

    // The endpoint's own time stands still, and these tokens are of that time.
    let peer: SocketAddr = "192.0.2.7:1".parse().unwrap();
    let endpoint = ServiceBuilder::new()
        .map_request(move |mut request: Request<Full<Bytes>>| {
            request.extensions_mut().insert(peer);
            request
        })
        .service(tokens.layer.introspection_endpoint());
    let secret = ClientSecret::new("rs-pw".to_owned());
    let remote = IntrospectionClient::new("https://as.example/oauth/introspect", endpoint, "rs", &secret).unwrap();
    let remote = remote.with_clock(tokens.clock.clone());
    let found = remote.verify(&access).await.unwrap().unwrap();
    assert_eq!(found.claim::<String>(TENANT).as_deref(), Some("acme"));
    assert_eq!(found.claim::<Vec<u8>>("levels"), Some(vec![1, 2]));
}

#[tokio::test]
async fn a_guard_finds_the_claims_of_an_opaque_token_in_its_caller() {
    let layer_and_issuer = || {
        let store = tower_password_grant::store::MemoryAccessTokens::new();
        let issuer = tower_password_grant::OpaqueIssuer::new(Arc::new(store)).with_audience(["https://api.example"]);
        let issuer = Arc::new(issuer);
        (builder(&Probe::default()).issuer(Arc::clone(&issuer)).rule(claiming()).build().unwrap(), issuer)
    };
    let (layer, issuer) = layer_and_issuer();
    let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
    let claims = at_the_api(issuer, "https://api.example", json["access_token"].as_str().unwrap()).await;
    assert_eq!(claims, serde_json::to_value(in_token()).unwrap());
}

#[tokio::test]
async fn introspection_shows_what_rules_claimed_and_nothing_else_whether_or_not_there_are_rules_now() {
    let own = json!({ "plan": "gold", "email": "a@example.org", TENANT: "old" });
    let ruled = json!({ TENANT: "acme", "realm": "staff", "username": "alice", "token_use": "id", "acr": "1" });
    for rules in [false, true] {
        let tokens = Tokens::with(clients(), |builder| if rules { builder.rule(claiming()) } else { builder });
        let access = tokens.login("conf").await.access;
        let record = tokens.access.verify(&access).await.unwrap().unwrap();
        let introspect = async |record| {
            let token = Token::random("at_").unwrap();
            tokens.access.store().insert(token.digest(), record).await.unwrap();
            tokens.introspect("conf", token.expose()).await
        };
        let names = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        // What an issuer of the application's own put into the record.
        let record = record.with_claims(Claims::of(&own).unwrap());
        let plain = introspect(record.clone()).await;
        assert_eq!(plain["active"], true);
        for name in ["plan", "email", TENANT] {
            assert_eq!(plain.get(name), None, "{name}, rules: {rules}");
        }
        let shown = introspect(record.with_shown_claims(&Claims::of(&ruled).unwrap())).await;
        assert_eq!(shown[TENANT], "acme", "rules: {rules}");
        let more: Vec<_> = names(&shown).difference(&names(&plain)).cloned().collect();
        assert_eq!(more, [TENANT], "rules: {rules}");
    }
}

#[tokio::test]
async fn an_issuer_of_the_application_s_own_finds_the_claims_in_the_grant() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let issuer = issue_fn(move |grant: Grant| {
        keep.lock().unwrap().push(grant.claims().clone());
        async move { Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime()).with_extra("from", "issuer")?) }
    });
    let ruled = ruling("ruled", |_| {
        let ruling = Ruling::proceed().claim("a", 1).unwrap();
        ruling.member("from", "rule").unwrap().member("also", [true]).unwrap()
    });
    let plain = builder(&Probe::default()).issuer(issuer.clone()).build().unwrap();
    let layer = builder(&Probe::default()).issuer(issuer).rule(ruled).build().unwrap();
    let json = send(&plain, token_request(AUTH, PW)).await.assert_ok();
    assert_eq!((&json["from"], json.get("also")), (&json!("issuer"), None));
    // A member of a rule stands in place of one of the issuer.
    let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
    assert_eq!((&json["from"], &json["also"]), (&json!("rule"), &json!([true])));
    assert_eq!(*seen.lock().unwrap(), [Claims::new(), Claims::of(&json!({ "a": 1 })).unwrap()]);
}

#[tokio::test]
async fn a_rule_that_only_proceeds_changes_no_byte_of_an_answer() {
    let tokens = |answer: &crate::support::Answer| {
        let mut json = answer.assert_ok();
        json["access_token"].take();
        json
    };
    let plain = Fixture::new().token(AUTH, PW).await;
    let ruled = Fixture::with(|builder| builder.rule(ruling("open", |_| Ruling::proceed()))).token(AUTH, PW).await;
    assert_eq!(tokens(&plain), tokens(&ruled));
    assert_eq!(plain.headers, ruled.headers);
    assert_eq!(plain.body.len(), ruled.body.len());
}

#[cfg(feature = "jwt")]
mod jwt {
    use serde::Serialize;
    use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
    use tower_password_grant::token::IntrospectionEndpoint;
    use tower_password_grant::{Client, StaticClients};

    use super::*;
    use crate::support::digest;

    #[derive(Serialize)]
    struct Extra {
        user: &'static str,
        more: u8,
    }

    fn issuer() -> JwtIssuer {
        let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::EdDsa).unwrap());
        JwtIssuer::new("https://as.example", ["https://api.example"], keys).unwrap()
    }

    fn with_own(issuer: &JwtIssuer) -> JwtIssuer {
        issuer.clone().with_claims(|grant: &Grant| {
            assert_eq!(grant.claims(), &expected());
            Extra { user: "of the issuer", more: 1 }
        })
    }

    #[tokio::test]
    async fn claims_stand_in_a_jwt_and_take_the_place_of_the_same_names_of_the_issuer() {
        let issuer = issuer();
        for (issuer, more) in [(issuer.clone(), None), (with_own(&issuer), Some(1))] {
            let layer = builder(&Probe::default()).issuer(issuer.clone()).rule(claiming()).build().unwrap();
            let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
            let token = json["access_token"].as_str().unwrap();
            let claims = at_the_api(issuer.verifier(), "https://api.example", token).await;
            assert_eq!((&claims[TENANT], &claims["levels"]), (&json!("acme"), &json!([1, 2])));
            assert_eq!((&claims["user"], claims["more"].as_u64()), (&json!("user-alice"), more));
        }
    }

    #[tokio::test]
    async fn introspection_of_a_jwt_shows_what_rules_claimed_and_nothing_that_its_issuer_did() {
        let issuer = with_own(&issuer());
        let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().allow_introspection();
        let clients = StaticClients::new([client.scopes("read").default_scope("read").build().unwrap()]).unwrap();
        let layer = builder(&Probe::default())
            .clients(clients)
            .access_tokens(issuer.verifier())
            .issuer(issuer)
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .rule(claiming())
            .build()
            .unwrap();
        let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
        let body = format!("token={}", json["access_token"].as_str().unwrap());
        let mut request = token_request(AUTH, &body);
        *request.uri_mut() = "/oauth/introspect".parse().unwrap();
        let told = send(&layer, request).await.json();
        assert_eq!((&told[TENANT], &told["user"]), (&json!("acme"), &json!("user-alice")));
        assert_eq!((told.get("more"), told.get("shown_claims")), (None, None));
    }
}
