//! The audience of the endpoints of second factors, which a login asks for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::mfa::When;
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::rules::{Ruling, rule_at_once_fn};
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore as _, MemoryAccessTokens};
use tower_password_grant::token::{Claims, Token};
use tower_password_grant::{
    BackendError, Client, Grant, IssuedTokens, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, TokenIssuer,
};

use crate::support::ManualClock;
use crate::support::factors::{self, AUDIENCE, FactorBed, ISSUER, Outbox, People, clients};

const SCOPES: &str = "enroll+read:authenticators+remove:authenticators";
const GRANTED: &str = "enroll read:authenticators remove:authenticators";

#[tokio::test]
async fn each_client_that_may_finish_a_factor_asks_for_it_in_each_profile() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::of(profile);
        let json = bed.login("alice", &format!("audience={AUDIENCE}&scope={SCOPES}")).await.assert_ok();
        let bearer = json["access_token"].as_str().unwrap();
        assert_eq!(bed.list(bearer).await.status, 200, "{profile:?}");
        // What was granted is what was asked for, in an order of its own.
        assert_eq!(json.get("scope").unwrap_or(&json!(GRANTED)), GRANTED);
    }
}

#[tokio::test]
async fn no_scope_of_another_api_stands_in_a_token_for_it() {
    let with_own = format!("audience={AUDIENCE}&scope={SCOPES}+read");
    let bed = FactorBed::new();
    bed.login("alice", &with_own).await.assert_error(400, "invalid_scope");
    // The default of the client is none of these scopes, so a login says what it is for.
    bed.login("alice", &format!("audience={AUDIENCE}")).await.assert_error(400, "invalid_scope");

    // Auth0 leaves out what it does not know.
    let bed = FactorBed::of(Profile::Auth0);
    let json = bed.login("alice", &with_own).await.assert_ok();
    assert_eq!(json["scope"], GRANTED);
    let json = bed.login("alice", &format!("audience={AUDIENCE}&scope=openid+enroll")).await.assert_ok();
    assert_eq!(json.get("scope").unwrap_or(&json!("enroll openid")), "enroll openid");

    // No login rule adds one.
    let adds = rule_at_once_fn("adds", |_| Ok(Ruling::proceed().add_scope("transfer")));
    let bed = FactorBed::with(|factors| factors, |builder| builder.rule(adds));
    let json = bed.login("alice", &format!("audience={AUDIENCE}&scope=enroll")).await.assert_ok();
    assert_eq!(json.get("scope").unwrap_or(&json!("enroll")), "enroll");
    assert_eq!(bed.login("alice", "scope=read").await.assert_ok()["scope"], "read transfer");
}

#[tokio::test]
async fn its_scopes_are_unknown_without_it() {
    let bed = FactorBed::new();
    for more in
        ["scope=enroll", "scope=enroll&audience=https://as.example/mfa", "scope=enroll&audience=https://other.example/"]
    {
        bed.login("alice", more).await.assert_error(400, "invalid_scope");
    }
    let with_audience = format!("scope=admin&audience={AUDIENCE}");
    bed.login("alice", &with_audience).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_client_without_second_factors_does_not_know_it() {
    let bed = FactorBed::new();
    let login = "client_id=plain&grant_type=password&username=alice&password=correct+horse";
    let json = bed.token(&format!("{login}&audience={AUDIENCE}")).await.assert_ok();
    // It is a parameter that the endpoint does not know, and the token one like any other.
    let answer = bed.list(json["access_token"].as_str().unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (401, json!("invalid_token")));
    bed.token(&format!("{login}&audience={AUDIENCE}&scope=enroll")).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn no_refresh_prolongs_the_right_to_manage_factors() {
    let offline = "read offline_access";
    for (profile, more) in [(Profile::Rfc6749, ""), (Profile::Auth0, "+offline_access")] {
        let offered = clients().into_iter().map(|client| client.to_builder().scopes(offline).build().unwrap());
        let offered = StaticClients::new(offered).unwrap();
        let bed = FactorBed::with(|factors| factors, |builder| builder.profile(profile).clients(offered));
        let login = format!("audience={AUDIENCE}&scope={SCOPES}{more}");
        let json = bed.login("alice", &login).await.assert_ok();
        assert_eq!(json.get("refresh_token"), None, "{profile:?}");
        // Nor does the login that a code finished.
        let secret = bed.enrolled("alice").await;
        let open = bed.login("alice", &login).await.json();
        let json = bed.redeem_otp(open["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
        assert_eq!(json.get("refresh_token"), None, "{profile:?}");
        // Another login has one, which gives no token for this audience.
        bed.clock.advance(Duration::from_secs(30));
        let open = bed.login("alice", &format!("scope=read{more}")).await.json();
        let json = bed.redeem_otp(open["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
        let refresh = json["refresh_token"].as_str().unwrap();
        let refresh = format!("client_id=app&grant_type=refresh_token&refresh_token={refresh}&audience={AUDIENCE}");
        let refused = bed.token(&refresh).await;
        assert!(
            !refused.status.is_success() && refused.json().get("access_token").is_none(),
            "{profile:?} {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_user_who_has_a_factor_shows_it_for_this_audience_whatever_the_settings_demand() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::with(|factors| factors.demand(When::Ruled), |builder| builder.profile(profile));
        let secret = bed.enrolled("alice").await;
        bed.login("alice", "scope=read").await.assert_ok();
        let answer = bed.login("alice", &format!("audience={AUDIENCE}&scope={SCOPES}")).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (403, json!("mfa_required")));
        let mfa_token = answer.json()["mfa_token"].as_str().unwrap().to_owned();
        let json = bed.redeem_otp(&mfa_token, &bed.code(&secret)).await.assert_ok();
        // Now it may do what a password alone may not.
        let bearer = json["access_token"].as_str().unwrap();
        let id = bed.list(bearer).await.json()[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(bed.associate(bearer, &json!({ "authenticator_types": ["otp"] })).await.status, 200);
        assert_eq!(bed.remove(bearer, &id).await.status, 204);
    }
}

#[tokio::test]
async fn a_signed_token_is_for_this_audience_too() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let clock = ManualClock::new();
    let issuer = JwtIssuer::new(ISSUER, ["https://api.example"], KeySet::new(key)).unwrap().with_clock(clock.clone());
    let verifier = issuer.verifier();
    let people = People::default();
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(factors::clients()).unwrap())
        .verifier(people.clone())
        .issuer(issuer)
        .access_tokens(verifier.clone())
        .second_factor(factors::factors(&Arc::default(), &Outbox::default()))
        .clock(clock)
        .peer_address(PeerAddress::unknown());
    // The issuer of JWTs says its URL, so there need be no metadata.
    let bed = FactorBed { layer: layer.build().unwrap(), people, ..FactorBed::new() };
    let json = bed.login("alice", &format!("audience={AUDIENCE}&scope={SCOPES}")).await.assert_ok();
    let token = json["access_token"].as_str().unwrap();
    assert_eq!(bed.list(token).await.body, "[]");
    let ordinary = bed.login("alice", "scope=read").await.assert_ok();
    let ordinary = ordinary["access_token"].as_str().unwrap();
    assert_eq!(bed.list(ordinary).await.status, 401);
    // What ends it with a change of the password is in no other token.
    let claims = async |token| verifier.verify(token).await.unwrap().unwrap().claims().names();
    assert_eq!(claims(token).await, ["credentials_digest", "jti"]);
    assert_eq!(claims(ordinary).await, ["jti"]);
    bed.people.change_password("alice");
    assert_eq!(bed.list(token).await.status, 401);
}

/// An issuer of the application's own, which keeps what it knows of.
struct Own(OpaqueIssuer<Arc<MemoryAccessTokens>>, Arc<dyn Fn(&Grant) -> Claims + Send + Sync>);

#[async_trait]
impl TokenIssuer for Own {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let (subject, now) = (grant.subject().id(), grant.issued_at());
        let record = AccessTokenRecord::new(subject, grant.client().id().clone(), now, now + grant.lifetime())
            .with_scope(grant.scope().clone())
            .with_audience(grant.audience().map(str::to_owned))
            .with_claims((self.1)(&grant));
        let token = Token::random("at_").unwrap();
        self.0.store().insert(token.digest(), record).await?;
        Ok(IssuedTokens::bearer(token, grant.lifetime()))
    }
}

#[tokio::test]
async fn a_token_of_an_issuer_that_leaves_the_credentials_out_manages_nothing() {
    for (claims, status) in [
        (Arc::new(|_: &Grant| Claims::new()) as Arc<dyn Fn(&Grant) -> Claims + Send + Sync>, 401),
        (Arc::new(|grant: &Grant| grant.private_claims().clone()), 200),
    ] {
        let tokens = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let (people, clock) = (People::default(), ManualClock::new());
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(factors::clients()).unwrap())
            .verifier(people)
            .issuer(Own(tokens.clone(), claims))
            .access_tokens(tokens)
            .metadata(Metadata::new(ISSUER))
            .second_factor(factors::factors(&Arc::default(), &Outbox::default()))
            .clock(clock)
            .peer_address(PeerAddress::unknown());
        let bed = FactorBed { layer: builder.build().unwrap(), ..FactorBed::new() };
        assert_eq!(bed.list(&bed.manager("alice").await).await.status, status);
    }
}

#[tokio::test]
async fn without_the_url_of_the_issuer_there_are_no_second_factors() {
    let builder = PasswordGrant::builder()
        .clients(StaticClients::new(factors::clients()).unwrap())
        .verifier(People::default())
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .second_factor(factors::factors(&Arc::default(), &Outbox::default()))
        .peer_address(PeerAddress::unknown());
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("`.second_factor(..)` needs the issuer's URL") && error.contains(".metadata("), "{error}");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn the_event_of_an_audience_without_its_last_slash_says_what_is_missing() {
    use crate::support::capture::Capture;

    for (profile, reason) in [(Profile::Rfc6749, "scope_not_registered"), (Profile::Auth0, "audience_not_allowed")] {
        let named = |client: Client| client.to_builder().allow_audience("https://api.example").build().unwrap();
        let named = StaticClients::new(clients().into_iter().map(named)).unwrap();
        let bed = FactorBed::with(|factors| factors, |builder| builder.profile(profile).clients(named));
        let (capture, _listening) = Capture::listen();
        let answer = bed.login("alice", &format!("audience=https://as.example/mfa&scope={SCOPES}")).await;
        assert!(!answer.status.is_success(), "{profile:?}");
        let refused = capture.events().into_iter().find(|said| said.field("reason") == Some(reason)).expect(reason);
        let hint = refused.field("hint").unwrap();
        assert!(hint.contains("`<issuer>/mfa/`") && hint.contains("last slash"), "{hint}");
    }
}
