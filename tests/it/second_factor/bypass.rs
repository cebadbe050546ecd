//! No token without a code: each way that could lead around a second factor, with an issuer that counts (T73, T77, T81, T98, T99).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use http::Method;
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::store::{MemoryAccessTokens, MemoryFactors, MemoryRefreshTokens};
use tower_password_grant::token::{AuthenticationMethod, AuthenticationMethods, RefreshTokens};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    BackendError, Client, Grant, IssuedTokens, MaybeFuture, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    Subject, TokenIssuer, Verdict,
};

use super::flow::open;
use crate::support::ManualClock;
use crate::support::factors::{self, FORM, FactorBed, ISSUER, Outbox, People, request};

const EXCHANGE: &str = "urn:example:exchange";

/// Counts what is issued.
pub struct Counting {
    issuer: OpaqueIssuer<Arc<MemoryAccessTokens>>,
    count: Arc<AtomicUsize>,
}

impl Counting {
    pub fn new(issuer: OpaqueIssuer<Arc<MemoryAccessTokens>>) -> Self {
        Self { issuer, count: Arc::default() }
    }

    pub fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }
}

#[async_trait]
impl TokenIssuer for Counting {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.count.fetch_add(1, SeqCst);
        self.issuer.issue(grant).await
    }
}

/// Says yes to alice, by the methods that the request names.
struct Exchange;

#[async_trait]
impl ExtensionGrant for Exchange {
    fn grant_type(&self) -> &str {
        EXCHANGE
    }

    fn required_fields(&self) -> &[&str] {
        &[]
    }

    fn account_key<'a>(
        &'a self,
        _: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        let methods = request.field("methods").unwrap_or_default().split(',').filter_map(|name| match name {
            "otp" => Some(AuthenticationMethod::Otp),
            "pwd" => Some(AuthenticationMethod::Password),
            _ => None,
        });
        let methods: AuthenticationMethods = methods.collect();
        let subject = Subject::new("user-alice").with_credential_version("0");
        Ok(Verdict::from(subject).with_methods(methods))
    }
}

/// The bed with an issuer that counts, and an extension grant.
fn counted(profile: Profile) -> (FactorBed, Arc<AtomicUsize>) {
    let (people, outbox, clock) = (People::default(), Outbox::default(), ManualClock::new());
    let store = Arc::new(MemoryFactors::new());
    let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
    let issuer = Counting::new(access.clone());
    let count = issuer.count();
    let realm = |client: &Client| client.to_builder().allow_grant(EXCHANGE).allow_realm_grant();
    let clients = factors::clients().into_iter().map(|client| {
        let changed =
            if client.default_realm().is_some() { realm(&client) } else { client.to_builder().allow_grant(EXCHANGE) };
        changed.build().unwrap()
    });
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(clients).unwrap())
        .verifier(people.clone())
        .issuer(issuer)
        .access_tokens(access)
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .extension_grant(Exchange)
        .metadata(Metadata::new(ISSUER))
        .second_factor(factors::factors(&store, &outbox))
        .clock(clock.clone())
        .profile(profile)
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    (FactorBed { layer, people, outbox, store, clock, events: Arc::default() }, count)
}

#[tokio::test]
async fn no_grant_no_client_and_no_realm_gives_an_enrolled_user_a_token_without_a_code_t73_t77_t81_t98_t99() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let (bed, count) = counted(profile);
        let scope = if profile == Profile::Auth0 { "scope=read+offline_access" } else { "scope=read" };
        let before = bed.login("alice", scope).await.assert_ok()["refresh_token"].as_str().unwrap().to_owned();
        let secret = bed.enrolled("alice").await;
        let issued = count.load(SeqCst);
        let password = "grant_type=password&username=alice&password=correct+horse";
        let shop = ("authorization", "Basic c2hvcDpzM2NyZXQ=");
        let realm_grant = "http://auth0.com/oauth/grant-type/password-realm";
        let mut tokens = Vec::new();
        for (header, body, can_finish) in [
            (FORM, format!("client_id=app&{password}"), true),
            (FORM, format!("client_id=app&{password}&scope=read"), true),
            (FORM, format!("client_id=app&{password}&otp={}", bed.code(&secret)), true),
            (FORM, format!("client_id=app&{password}&mfa_token=x"), true),
            (FORM, format!("client_id=app&{password}&audience={}&scope=enroll", factors::AUDIENCE), true),
            (FORM, format!("client_id=other&{password}"), true),
            (FORM, format!("client_id=plain&{password}"), false),
            (shop, password.to_owned(), true),
            (FORM, format!("client_id=app&grant_type={EXCHANGE}"), true),
            (FORM, format!("client_id=app&grant_type={EXCHANGE}&methods=pwd"), true),
            (FORM, format!("client_id=app&grant_type={EXCHANGE}&methods=otp"), true),
            (FORM, format!("client_id=plain&grant_type={EXCHANGE}"), false),
            (FORM, format!("client_id=app&grant_type=refresh_token&refresh_token={before}"), true),
        ] {
            let headers = [FORM, header];
            let headers = if header == FORM { &headers[..1] } else { &headers };
            let answer = bed.send(request(Method::POST, "/oauth/token", headers, &body)).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (403, &"mfa_required".into()), "{body}");
            assert_eq!(answer.json()["mfa_token"].is_string(), can_finish, "{body}");
            if can_finish {
                tokens.push(open(&answer));
            }
        }
        // What is open gives nothing by itself, at whatever grant it is presented.
        let status = |answer: crate::support::Answer| answer.status.as_u16();
        for token in &tokens {
            for body in [
                format!("client_id=app&grant_type=refresh_token&refresh_token={token}"),
                format!(
                    "client_id=app&grant_type=http://auth0.com/oauth/grant-type/mfa-otp&mfa_token={token}&otp=000000"
                ),
                format!(
                    "client_id=app&grant_type=http://auth0.com/oauth/grant-type/mfa-recovery-code&mfa_token={token}&recovery_code=x"
                ),
                format!(
                    "client_id=app&grant_type=http://auth0.com/oauth/grant-type/mfa-oob&mfa_token={token}&oob_code={token}"
                ),
                format!("client_id=app&grant_type={realm_grant}&username=alice&password=correct+horse&realm=one"),
            ] {
                assert!((400..500).contains(&status(bed.token(&body).await)), "{body}");
            }
        }
        assert_eq!(count.load(SeqCst), issued, "something was issued");
    }
}

#[tokio::test]
async fn an_extension_grant_that_has_proven_two_methods_needs_no_code_and_one_of_unknown_methods_is_finished_by_one() {
    let (bed, _) = counted(Profile::Rfc6749);
    let secret = bed.enrolled("alice").await;
    let exchange = async |more: &str| bed.token(&format!("client_id=app&grant_type={EXCHANGE}{more}")).await;
    exchange("&methods=pwd,otp").await.assert_ok();
    let token = open(&exchange("").await);
    let json = bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    // Its refreshes know that there were two.
    let refresh = json["refresh_token"].as_str().unwrap();
    bed.token(&format!("client_id=app&grant_type=refresh_token&refresh_token={refresh}")).await.assert_ok();
}
