//! Hashes of bcrypt, scrypt and PBKDF2 log in once and are Argon2id from then on.

use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::store::UserStatus;

use crate::support;
use crate::support::argon2_users::{self, House};

const PASSWORD: &str = "p%C3%A4ssword";
// Made by libxcrypt, and by OpenSSL through Python's hashlib.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuucZGbUxuMlEqps0qcu2pjhO7vaatQZIC";
const BCRYPT_OF_72: &str = "$2y$05$abcdefghijklmnopqrstuuGUnCqbfgs3htOkLrFduUjAyLBw1Rq/u";
const SCRYPT: &str = "$scrypt$ln=10,r=8,p=2$c2l4dGVlbiBieXRlIHNsdA$i3zPayhXttG3b3k+glPFETFQEvyQK070Cha9HH7avgk";
const PBKDF2_SHA256: &str =
    "$pbkdf2-sha256$i=1000,l=32$c2l4dGVlbiBieXRlIHNsdA$Ump/8dM6u0/IJHpYbwqGM2ZCJyvR2Fh3+ysi0epCNog";
const PBKDF2_SHA512: &str = "$pbkdf2-sha512$i=1000,l=64$c2l4dGVlbiBieXRlIHNsdA$bN8nDYGDfAeiwrKxhbRa9z1dq7mPJiZn5yDHyitDHJfoLtMsvJ+CGgQ952lPLIPDHQHM5hFB1BG0pBM4jet0qw";

async fn log_in(house: &House, password: &str) -> support::Answer {
    let body = format!("grant_type=password&username=old&password={password}");
    support::send(&house.layer, support::token_request(&[argon2_users::CONF], &body)).await
}

#[tokio::test]
async fn an_old_hash_logs_in_is_upgraded_and_logs_in_again() {
    let house = House::new();
    for stored in [BCRYPT, SCRYPT, PBKDF2_SHA256, PBKDF2_SHA512] {
        house.users.set("old", stored.to_owned(), UserStatus::Active);
        log_in(&house, "password").await.assert_error(400, "invalid_grant");
        assert_eq!(house.users.hash("old"), stored);
        log_in(&house, PASSWORD).await.assert_ok();
        let new = house.users.hash("old");
        assert!(new.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}: {new}");
        log_in(&house, PASSWORD).await.assert_ok();
        log_in(&house, "password").await.assert_error(400, "invalid_grant");
        assert_eq!(house.users.hash("old"), new);
    }
    assert_eq!(house.users.saves.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn more_than_72_bytes_are_never_right_for_bcrypt_and_cost_what_an_unknown_user_costs_t31() {
    let house = House::new();
    house.users.set("old", BCRYPT_OF_72.to_owned(), UserStatus::Active);
    for length in [73, 100, 1000] {
        assert_eq!(house.runs("old", &"a".repeat(length)).await, 1);
        assert_eq!(house.last_reason(), "unusable_hash");
    }
    assert_eq!(house.users.hash("old"), BCRYPT_OF_72);
    assert_eq!(house.runs("old", &"a".repeat(72)).await, 2);
    assert_eq!(house.last_reason(), "id-old");
    // From here on all bytes count.
    assert_eq!(house.runs("old", &"a".repeat(73)).await, 1);
    assert_eq!(house.last_reason(), "wrong_password");
}

#[tokio::test]
async fn an_old_hash_above_its_limit_is_unusable_at_the_cost_of_an_unknown_user_t30() {
    let house = House::with(|builder| builder.max_bcrypt_cost(4).max_scrypt_memory(1023).max_pbkdf2_rounds(999));
    for (count, stored) in (1..).zip([
        BCRYPT.to_owned(),
        SCRYPT.to_owned(),
        PBKDF2_SHA256.to_owned(),
        PBKDF2_SHA512.to_owned(),
        BCRYPT.replace("$05$", "$31$"),
        SCRYPT.replace("ln=10", "ln=40"),
        PBKDF2_SHA256.replace("i=1000", "i=4294967295"),
    ]) {
        house.users.set("old", stored.clone(), UserStatus::Active);
        let before = house.verifier.stats().hashes;
        log_in(&house, PASSWORD).await.assert_error(400, "invalid_grant");
        assert_eq!(house.last_reason(), "unusable_hash");
        assert_eq!(house.verifier.stats().hashes - before, 1, "{stored}");
        assert_eq!(house.verifier.stats().unusable_hashes, count);
        assert_eq!(house.users.hash("old"), stored);
    }
}

#[tokio::test]
async fn the_state_of_the_account_counts_after_an_old_hash_too() {
    let house = House::new();
    house.users.set("old", BCRYPT.to_owned(), UserStatus::Locked);
    log_in(&house, "password").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "wrong_password");
    log_in(&house, PASSWORD).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "locked");
    assert_eq!(house.users.hash("old"), BCRYPT);
}

#[test]
fn limits_that_are_none_are_errors() {
    let users = || std::sync::Arc::new(argon2_users::Users::default());
    let builder = || Argon2Verifier::builder(users()).parameters(argon2_users::cheap()).threads(1);
    for (name, builder) in [
        ("max_bcrypt_cost", builder().max_bcrypt_cost(3)),
        ("max_bcrypt_cost", builder().max_bcrypt_cost(32)),
        ("max_scrypt_memory", builder().max_scrypt_memory(0)),
        ("max_scrypt_memory", builder().max_scrypt_memory(u64::MAX)),
        ("max_pbkdf2_rounds", builder().max_pbkdf2_rounds(0)),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().starts_with(&format!("`{name}` is out of range: choose ")), "{error}");
    }
}
