//! No token without a code: each way that could lead around a second factor, with an issuer that counts (T73, T77, T81, T98, T99).

mod cells;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::store::{MemoryAccessTokens, MemoryFactors, MemoryRefreshTokens};
use tower_password_grant::token::{
    AuthenticationMethod, AuthenticationMethods, IntrospectionEndpoint, RefreshTokens, RevocationEndpoint,
};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    BackendError, Client, Grant, IssuedTokens, MaybeFuture, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    Subject, TokenIssuer, Verdict,
};

use super::flow::open;
use crate::support::ManualClock;
use crate::support::factors::{self, FactorBed, ISSUER, Outbox, People};

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

/// No refusal is one by a budget.
fn without_budgets() -> AttackProtection {
    let many = Lockout::new(u32::MAX, Duration::from_secs(60));
    let limits = Limits::new()
        .with_address_budget(TokenBucket::new(u32::MAX, Duration::from_millis(1)))
        .with_account_and_address_budget(many)
        .with_account_budget(many)
        .with_challenge_budget(many)
        .with_factor_budget(many)
        .with_factor_in_a_row_budget(many)
        .with_recovery_code_budget(many)
        .with_authenticator_budget(many)
        .with_delivery_budget(many);
    AttackProtection::new().limiter(MemoryLimiter::new().with_limits(limits)).request_ceiling(RequestCeiling::none())
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
        let changed = if client.is_public() { changed } else { changed.allow_introspection() };
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
        .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
        .revocation(RevocationEndpoint::at("/oauth/revoke"))
        .second_factor(factors::factors(&store, &outbox))
        .attack_protection(without_budgets())
        .clock(clock.clone())
        .profile(profile)
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    (FactorBed { layer, people, outbox, store, clock, events: Arc::default() }, count)
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

#[tokio::test]
async fn a_login_that_has_proven_a_code_alone_is_asked_for_another_kind_after_a_code() {
    let (bed, count) = counted(Profile::Rfc6749);
    let (secret, json) = bed.enrol_app(&bed.manager("alice").await).await;
    bed.redeem_otp(json["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
    bed.clock.advance(Duration::from_secs(30));
    let issued = count.load(SeqCst);
    let first = open(&bed.token(&format!("client_id=app&grant_type={EXCHANGE}&methods=otp")).await);
    let answer = bed.redeem_otp(&first, &bed.code(&secret)).await;
    let second = open(&answer);
    assert_eq!(answer.json()["mfa_requirements"], serde_json::json!({ "challenge": [{ "type": "recovery-code" }] }));
    // The first is used up, and the second is no more than the first was.
    bed.clock.advance(Duration::from_secs(30));
    bed.redeem_otp(&first, &bed.code(&secret)).await.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
    bed.clock.advance(Duration::from_secs(30));
    let third = open(&bed.redeem_otp(&second, &bed.code(&secret)).await);
    assert_eq!(count.load(SeqCst), issued, "something was issued");
    let code = json["recovery_codes"][0].as_str().unwrap();
    bed.redeem_recovery(&third, code).await.assert_ok();
    assert_eq!(count.load(SeqCst), issued + 1);
}
