//! Settings that cannot be are refused when the endpoint is built, with the method to change.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use async_trait::async_trait;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::mfa::{Channel, Factors, When};
use tower_password_grant::mount::Metadata;
use tower_password_grant::store::{
    LoginName, MemoryAccessTokens, MemoryFactors, MemoryRefreshTokens, StoredUser, UserStore,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::{Recheck, SecretKeys};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    Subject, Verdict, verify_fn,
};

use crate::support::factors::{self, FactorBed, ISSUER, Outbox, People, clients};

/// Users that cannot be found by their id.
struct Nameless;

#[async_trait]
impl UserStore for Nameless {
    async fn find(&self, _: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(None)
    }

    async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
        Ok(false)
    }
}

/// A verifier around another one, which `build()` cannot look into: it has a `recheck`, and the one within may have none.
#[derive(Clone, Default)]
struct Around {
    people: People,
    is_bare: Arc<AtomicBool>,
}

#[async_trait]
impl CredentialVerifier for Around {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.people.verify(attempt).await
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        if self.is_bare.load(SeqCst) { cannot_recheck().recheck(login).await } else { self.people.recheck(login).await }
    }
}

fn cannot_recheck() -> impl CredentialVerifier {
    verify_fn(|_: Attempt| async { Ok(Subject::new("user-alice").into()) })
}

fn bare() -> Factors {
    Factors::new(Arc::new(MemoryFactors::new()), SecretKeys::random().unwrap())
}

/// Why `build()` refuses these factors, if it does.
fn fault(factors: Factors) -> Option<String> {
    fault_with(People::default(), factors)
}

/// The same with these users.
fn fault_with(users: impl CredentialVerifier, factors: Factors) -> Option<String> {
    let builder = PasswordGrant::builder()
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(users)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .metadata(Metadata::new(ISSUER))
        .second_factor(factors)
        .peer_address(PeerAddress::unknown());
    builder.build().err().map(|error| error.to_string())
}

#[test]
fn a_name_a_number_and_a_channel_outside_their_range_are_named() {
    let cases = [
        (bare().totp(""), "`Factors::totp`: \"\" is out of range: choose 1 to 64 characters without a colon"),
        (bare().totp("a:b"), "`Factors::totp`: \"a:b\" is out of range"),
        (bare().totp("a\n"), "`Factors::totp`"),
        (bare().totp("a".repeat(65)), "`Factors::totp`"),
        (bare().totp("Bank").recovery_codes(0), "`Factors::recovery_codes`: 0 is out of range: choose 1 to 20"),
        (bare().totp("Bank").recovery_codes(21), "`Factors::recovery_codes`: 21 is out of range: choose 1 to 20"),
        (
            bare().deliver(Channel::Sms, Outbox::default()).deliver(Channel::Sms, Outbox::default()),
            "`Factors::deliver`: Sms twice is out of range: choose each once",
        ),
        (bare(), "`Factors`: no factor is out of range: choose `totp`, `deliver` or both"),
    ];
    for (factors, said) in cases {
        let fault = fault(factors).expect(said);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn what_is_in_range_is_taken() {
    let two = bare().deliver(Channel::Sms, Outbox::default()).deliver(Channel::Voice, Outbox::default());
    let cases = [
        bare().totp("ä".repeat(64)).recovery_codes(1),
        bare().totp("Bank").recovery_codes(20),
        bare().totp("Bank").without_recovery_codes(),
        two,
    ];
    for factors in cases {
        assert_eq!(fault(factors), None);
    }
}

#[test]
fn users_who_cannot_be_looked_at_again_are_no_users_with_second_factors() {
    let argon2 = Argon2Verifier::builder(Nameless).build().unwrap();
    let faults = [fault_with(cannot_recheck(), bare().totp("Bank")), fault_with(argon2, bare().totp("Bank"))];
    for fault in faults {
        let fault = fault.expect("they cannot be looked at again");
        for piece in ["`.second_factor(..)`", "`CredentialVerifier::recheck`", "`UserStore::find_by_id`"] {
            assert!(fault.contains(piece), "{fault}");
        }
    }
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn a_code_that_no_look_at_the_user_can_follow_is_a_fault_whose_event_names_second_factors() {
    use crate::support::capture::Capture;

    let bed = FactorBed::new();
    let users = Around { people: bed.people.clone(), ..Around::default() };
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(users.clone())
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .metadata(Metadata::new(ISSUER))
        .second_factor(factors::factors(&bed.store, &bed.outbox).demand(When::Always))
        .clock(bed.clock.clone())
        .peer_address(PeerAddress::socket_addr());
    let bed = FactorBed { layer: layer.build().unwrap(), ..bed };
    let open = bed.login("alice", "").await.json();
    let (secret, _) = bed.enrol_app(open["mfa_token"].as_str().unwrap()).await;
    users.is_bare.store(true, SeqCst);

    let (capture, _listening) = Capture::listen();
    let answer = bed.redeem_otp(open["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (500, "server_error".into()));
    let failed = capture.events().into_iter().find(|said| said.field("reason") == Some("verifier_failed")).unwrap();
    let cause = failed.field("cause").unwrap();
    assert!(cause.contains("second factors need: implement `CredentialVerifier::recheck`"), "{cause}");
}

/// The warnings about settings when an endpoint with these clients is built.
#[cfg(feature = "tracing")]
fn warnings(clients: Vec<Client>, knows_tokens: bool) -> Vec<String> {
    use crate::support::capture::Capture;

    let (capture, _listening) = Capture::listen();
    let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
    let builder = PasswordGrant::builder()
        .clients(StaticClients::new(clients).unwrap())
        .verifier(People::default())
        .issuer(access.clone())
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .metadata(Metadata::new(ISSUER))
        .second_factor(bare().totp("Bank"))
        .peer_address(PeerAddress::unknown());
    let builder = if knows_tokens { builder.access_tokens(access) } else { builder };
    builder.build().unwrap();
    let events = capture.events().into_iter();
    let told = events.filter(|said| said.field("message") == Some("settings cannot work together"));
    told.map(|said| said.field("problem").unwrap().to_owned()).collect()
}

#[cfg(feature = "tracing")]
#[test]
fn second_factors_without_access_tokens_are_told_at_the_start() {
    let told = warnings(clients(), false);
    assert!(
        told.len() == 1 && told[0].contains("second factors") && told[0].contains("`.access_tokens(..)`"),
        "{told:?}"
    );
    assert_eq!(warnings(clients(), true), Vec::<String>::new());
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn the_event_of_a_bearer_that_does_not_count_says_which_would() {
    use crate::support::capture::Capture;

    let bed = FactorBed::new();
    let ordinary = bed.login("alice", "").await.assert_ok();
    let (capture, _listening) = Capture::listen();
    assert_eq!(bed.list(ordinary["access_token"].as_str().unwrap()).await.status, 401);
    let refused = capture.events().into_iter().find(|said| said.field("reason") == Some("bearer_invalid")).unwrap();
    let hint = refused.field("hint").unwrap();
    assert!(hint.contains("`Builder::access_tokens`") && hint.contains("`<issuer>/mfa/`"), "{hint}");
}

#[cfg(feature = "tracing")]
#[test]
fn second_factors_that_no_client_may_show_are_told_at_the_start() {
    let of = |name: &str| clients().into_iter().filter(|client| client.id().as_str() == name).collect();
    let told = warnings(of("plain"), true);
    assert!(told.len() == 1 && told[0].contains("`ClientBuilder::allow_second_factor`"), "{told:?}");
    assert_eq!(warnings(of("app"), true), Vec::<String>::new());
}
