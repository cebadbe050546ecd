//! The Argon2id verifier behind the real layer.

use std::sync::Arc;
use std::time::Duration;

use argon2::PasswordVerifier as _;
use tower_password_grant::argon2::{Argon2ConfigError, Argon2Parameters, Argon2Verifier, Argon2VerifierBuilder};
use tower_password_grant::store::{StoredUser, UserStatus, UserStore};
use tower_password_grant::user::{AccountKey, HostCode};
use tower_password_grant::{CredentialVerifier, Password};

use crate::support::argon2_users::{CONF, House, Users, cheap, hash_with};
use crate::support::{self, send, token_request};

#[tokio::test]
async fn the_right_password_logs_in_and_a_wrong_one_is_invalid_grant_pw_03_pw_04() {
    let house = House::new();
    house.log_in("alice", "correct horse").await.assert_ok();
    for wrong in ["correct hors", "correct horse ", "Correct horse", "correct  horse", "x"] {
        house.log_in("alice", wrong).await.assert_error(400, "invalid_grant");
        assert_eq!(house.last_reason(), "wrong_password");
    }
}

#[tokio::test]
async fn unknown_and_unusable_users_take_exactly_one_hash_and_get_the_same_answer_as_a_wrong_password_t19_t20() {
    let house = House::new();
    let costly = hash_with(&Argon2Parameters::new(96, 2, 1).unwrap(), "correct horse");
    house.users.set("without", None, UserStatus::Active);
    house.users.set("broken", "!".to_owned(), UserStatus::Active);
    house.users.set("hostile", costly.replace("m=96", "m=4294967295"), UserStatus::Active);
    house.users.set("slow", costly.replace("t=2", "t=4294967295"), UserStatus::Active);
    house.users.set("wide", costly.replace("p=1", "p=16777215"), UserStatus::Active);
    let wrong = house.log_in("alice", "x").await;
    for (name, reason) in [
        ("nobody", "unknown_user"),
        ("without", "wrong_password"),
        ("broken", "unusable_hash"),
        ("hostile", "unusable_hash"),
        ("slow", "unusable_hash"),
        ("wide", "unusable_hash"),
    ] {
        for password in ["x", "correct horse"] {
            assert_eq!(house.runs(name, password).await, 1, "{name}");
            assert_eq!(house.last_reason(), reason, "{name}");
            let answer = house.log_in(name, password).await;
            assert_eq!((answer.status, &answer.body, &answer.headers), (wrong.status, &wrong.body, &wrong.headers));
        }
    }
    assert_eq!(house.runs("alice", "x").await, 1);
    assert_eq!(house.runs("alice", "correct horse").await, 1);
    assert_eq!(house.verifier.stats().unusable_hashes, 16);
}

#[tokio::test]
async fn the_look_up_uses_the_form_on_which_attempts_are_counted_and_the_realm_of_the_client() {
    let house = House::new();
    house.log_in(" ALICE\t", "correct horse").await.assert_ok();
    let answer = send(
        &house.layer,
        token_request(
            &[("authorization", &support::basic("tenant", "s3cret"))],
            "grant_type=password&username=Alice&password=correct+horse",
        ),
    );
    answer.await.assert_ok();
    let lookups = house.users.lookups.lock().unwrap().clone();
    let alice = "alice".to_owned();
    let acme = Some("acme".to_owned());
    // Before the charge, before the hash and after it.
    let expected = [None, None, None, acme.clone(), acme.clone(), acme].map(|realm| (alice.clone(), realm));
    assert_eq!(lookups, expected);
}

#[tokio::test]
async fn attempts_are_counted_on_the_account_that_the_store_finds_or_on_the_name_if_the_host_says_so() {
    let house = House::new();
    let key = |name: &'static str| house.verifier.account_key(name, None);
    assert_eq!(key(" ALICE\t").await.unwrap(), AccountKey::resolved("id-alice"));
    assert_eq!(key("id-alice").await.unwrap(), AccountKey::phantom("id-alice"));
    assert_eq!(key("NOBODY ").await.unwrap(), AccountKey::phantom("nobody"));
    house.users.fail_find.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(key("alice").await.is_err());

    let by_name = House::with(|builder| builder.count_by_login_name());
    by_name.users.fail_find.store(true, std::sync::atomic::Ordering::Relaxed);
    let key = by_name.verifier.account_key(" ALICE\t", None).await.unwrap();
    assert_eq!(key, AccountKey::canonical("alice"), "the store is not asked");
    by_name.users.fail_find.store(false, std::sync::atomic::Ordering::Relaxed);
    by_name.log_in("alice", "correct horse").await.assert_ok();
    assert_eq!(by_name.users.lookups.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_name_of_nothing_visible_finds_no_user_and_takes_a_hash_all_the_same_t19() {
    let house = House::new();
    // Such as a column of e-mail addresses that not every user has.
    house.users.set("", hash_with(&cheap(), "correct horse"), UserStatus::Active);
    for name in [" ", "\u{200b}", "\u{3000}\u{feff}"] {
        assert_eq!(house.runs(name, "correct horse").await, 1);
        assert_eq!(house.last_reason(), "unknown_user");
    }
    assert_eq!(house.users.lookups.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_state_of_an_account_is_looked_at_only_after_the_password_was_right() {
    let house = House::new();
    let hash = hash_with(&cheap(), "correct horse");
    let outdated = hash_with(&Argon2Parameters::new(96, 1, 1).unwrap(), "correct horse");
    let wrong = house.log_in("alice", "x").await;
    for (status, reason) in [
        (UserStatus::Disabled, "disabled"),
        (UserStatus::Locked, "locked"),
        (UserStatus::PasswordExpired, "password_expired"),
        (UserStatus::Unverified, "unverified"),
        (UserStatus::Denied(HostCode::new("no_contract", "no contract").unwrap()), "custom"),
    ] {
        for hash in [&hash, &outdated] {
            house.users.set("bob", hash.clone(), status.clone());
            assert_eq!(house.runs("bob", "x").await, 1);
            assert_eq!(house.last_reason(), "wrong_password");
            // An outdated hash is not upgraded here: the time would tell that the password is right.
            assert_eq!(house.runs("bob", "correct horse").await, 1);
            assert_eq!(house.last_reason(), reason);
            let denied = house.log_in("bob", "correct horse").await;
            assert_eq!((denied.status, denied.body), (wrong.status, wrong.body.clone()));
            assert_eq!(&house.users.hash("bob"), hash);
        }
    }
}

#[tokio::test]
async fn id_and_data_of_the_user_reach_the_issuer() {
    let house = House::new();
    house.log_in("alice", "correct horse").await.assert_ok();
    let grants = house.grants.lock().unwrap();
    assert_eq!(grants[0].subject().id(), "id-alice");
    assert_eq!(grants[0].subject().data::<usize>(), Some(&5));
}

#[tokio::test]
async fn a_store_that_cannot_answer_is_no_verdict() {
    let house = House::new();
    house.users.fail_find.store(true, std::sync::atomic::Ordering::Relaxed);
    for _ in 0..150 {
        house.log_in("alice", "x").await.assert_error(503, "temporarily_unavailable");
    }
    house.users.fail_find.store(false, std::sync::atomic::Ordering::Relaxed);
    house.log_in("alice", "correct horse").await.assert_ok();
}

#[tokio::test]
async fn new_hashes_are_argon2id_that_any_implementation_verifies() {
    let house = House::new();
    let password = || Password::new("p\u{e4}ss & w\u{f6}rd".to_owned());
    let pooled = house.verifier.hash_password(password()).await.unwrap();
    let direct = cheap().hash_blocking(&password()).unwrap();
    let default = Argon2Parameters::default().hash_blocking(&password()).unwrap();
    assert!(default.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{default}");
    assert_ne!(pooled, direct, "each has a salt of its own");
    for hash in [pooled, direct, default] {
        let other = argon2::Argon2::default();
        other.verify_password(password().expose().as_bytes(), hash.as_str()).unwrap();
        assert!(other.verify_password(b"x", hash.as_str()).is_err());
    }
}

#[tokio::test]
async fn traits_work_as_objects() {
    let users = Arc::new(Users::default());
    users.set("alice", hash_with(&cheap(), "correct horse"), UserStatus::Active);
    let store: Arc<dyn UserStore> = users;
    let verifier: Arc<dyn CredentialVerifier> =
        Arc::new(Argon2Verifier::builder(store).parameters(cheap()).threads(1).build().unwrap());
    let layer = support::builder(&support::Probe::default()).verifier(verifier).build().unwrap();
    send(&layer, token_request(&[CONF], support::PW)).await.assert_ok();
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    for (memory, passes, lanes) in [(7, 1, 1), (64, 0, 1), (64, 1, 0), (64, 1, 9), (0, 0, 0), (64, 1, u32::MAX)] {
        let refused = Argon2Parameters::new(memory, passes, lanes);
        assert!(matches!(refused, Err(Argon2ConfigError::Parameters)), "{memory} {passes} {lanes}");
    }
    let none = Argon2Verifier::builder(Arc::new(Users::default())).parameters(cheap()).threads(0).build();
    assert!(matches!(none, Err(Argon2ConfigError::NoThreads)));
}

#[test]
fn a_setting_out_of_its_range_is_an_error_and_never_cut_to_fit() {
    type Build = Argon2VerifierBuilder<Arc<Users>>;
    let (zero, long) = (Duration::ZERO, Duration::from_secs(61));
    type Change = Box<dyn Fn(Build) -> Build>;
    let settings: [(&str, Change); 14] = [
        ("max_wait", Box::new(move |builder| builder.max_wait(zero))),
        ("max_wait", Box::new(move |builder| builder.max_wait(long))),
        ("queue_capacity", Box::new(|builder| builder.queue_capacity(65_537))),
        ("queue_percent_per_address", Box::new(|builder| builder.queue_percent_per_address(0))),
        ("queue_percent_per_address", Box::new(|builder| builder.queue_percent_per_address(101))),
        ("queue_percent_for_known_addresses", Box::new(|builder| builder.queue_percent_for_known_addresses(91))),
        ("queue_deadline", Box::new(move |builder| builder.queue_deadline(zero))),
        ("queue_deadline", Box::new(move |builder| builder.queue_deadline(long))),
        ("hold_refusals", Box::new(move |builder| builder.hold_refusals(long))),
        ("store_deadline", Box::new(move |builder| builder.store_deadline(Some(zero)))),
        // Less than a new hash costs.
        ("max_stored_cost", Box::new(|builder| builder.max_stored_cost(63, 1, 1))),
        ("max_stored_cost", Box::new(|builder| builder.max_stored_cost(64, 0, 1))),
        ("max_stored_cost", Box::new(|builder| builder.max_stored_cost(64, 1, 0))),
        ("max_stored_cost", Box::new(|builder| builder.max_stored_cost(0, 0, 0))),
    ];
    for (name, change) in settings {
        let builder = Argon2Verifier::builder(Arc::new(Users::default())).parameters(cheap()).threads(1);
        let error = change(builder).build().unwrap_err();
        assert!(matches!(error, Argon2ConfigError::Setting { setting, .. } if setting == name), "{name}: {error}");
        assert!(error.to_string().starts_with(&format!("`{name}` is out of range: choose ")), "{error}");
    }
}

#[test]
fn neither_hash_nor_password_shows_in_debug() {
    let user = StoredUser::new("id-1").with_password_hash("$argon2id$secret".to_owned()).with_data("secret");
    assert!(!format!("{user:?}").contains("secret"), "{user:?}");
    let house = House::new();
    assert_eq!(format!("{:?}", house.verifier).matches("secret").count(), 0);
}

#[tokio::test]
async fn stored_costs_above_the_current_ones_but_below_the_limit_are_verified_and_the_current_ones_always_t30() {
    let costly = Argon2Parameters::new(8192, 3, 2).unwrap();
    let house = House::with(|builder| builder.max_stored_cost(8192, 3, 2));
    house.users.set("bob", hash_with(&costly, "correct horse"), UserStatus::Active);
    house.log_in("bob", "correct horse").await.assert_ok();
    house.users.set("bob", hash_with(&costly, "correct horse"), UserStatus::Active);
    let strict = House::with(|builder| builder.max_stored_cost(64, 1, 1));
    strict.users.set("bob", hash_with(&costly, "correct horse"), UserStatus::Active);
    strict.log_in("bob", "correct horse").await.assert_error(400, "invalid_grant");
    strict.log_in("alice", "correct horse").await.assert_ok();
}

#[tokio::test]
async fn the_queue_follows_the_waiting_time_and_the_measured_hash() {
    let house = House::with(|builder| {
        builder.parameters(Argon2Parameters::default()).threads(2).max_wait(Duration::from_secs(1))
    });
    let stats = house.verifier.stats();
    let expected = 2.0 / stats.mean_time.as_secs_f64();
    assert!((stats.capacity as f64 - expected).abs() <= 1.0, "{stats:?}");
    assert_eq!((stats.threads, stats.hashes, stats.running), (2, 0, 0));
}
