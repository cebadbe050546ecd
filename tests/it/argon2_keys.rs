//! Secret keys in the hashes, and passwords that are prepared before they are hashed.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tower_password_grant::Password;
use tower_password_grant::argon2::{Argon2Parameters, HashError};
use tower_password_grant::store::UserStatus;
use tower_password_grant::user::{PasswordPreparation, SecretKeys};

use crate::support::argon2_users::{House, cheap, hash_with};
use crate::support::capture::Capture;

const RIGHT: &str = "correct horse";
const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn keys() -> SecretKeys {
    SecretKeys::new("new", NEW).unwrap().with_older("old", OLD).unwrap()
}

fn only_old() -> SecretKeys {
    SecretKeys::new("old", OLD).unwrap()
}

fn with_key(keys: &SecretKeys) -> String {
    cheap().hash_blocking_with(&Password::new(RIGHT.to_owned()), keys).unwrap()
}

/// What the hash is by the function alone.
fn output(key: &[u8], salt: &str) -> String {
    let params = Params::new(64, 1, 1, None).unwrap();
    let argon2 = Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut output = [0; 32];
    argon2.hash_password_into(RIGHT.as_bytes(), &STANDARD_NO_PAD.decode(salt).unwrap(), &mut output).unwrap();
    STANDARD_NO_PAD.encode(output)
}

#[tokio::test]
async fn a_hash_names_its_key_and_is_made_with_it_ni_09() {
    let house = House::with(|builder| builder.secret_keys(keys()));
    let made = house.verifier.hash_password(Password::new(RIGHT.to_owned())).await.unwrap();
    let parts: Vec<&str> = made.split('$').collect();
    // The id in base64, as the PHC format has it.
    assert_eq!(parts[3], "m=64,t=1,p=1,keyid=bmV3");
    assert_eq!(parts[5], output(&NEW, parts[4]));
    assert_ne!(parts[5], output(&OLD, parts[4]));
    house.users.set("bob", made.clone(), UserStatus::Active);
    house.log_in("bob", RIGHT).await.assert_ok();
    house.log_in("bob", "correct hors").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "wrong_password");
    assert_eq!(house.users.hash("bob"), made, "nothing to upgrade");
}

#[tokio::test]
async fn hashes_of_an_older_key_and_without_one_are_right_and_upgraded() {
    let house = House::with(|builder| builder.secret_keys(keys()));
    for stored in [with_key(&only_old()), hash_with(&cheap(), RIGHT)] {
        house.users.set("bob", stored, UserStatus::Active);
        house.log_in("bob", "x").await.assert_error(400, "invalid_grant");
        assert_eq!(house.runs("bob", RIGHT).await, 2);
        assert_eq!(house.last_reason(), "id-bob");
        assert!(house.users.hash("bob").contains(",keyid=bmV3$"));
        assert_eq!(house.runs("bob", RIGHT).await, 1);
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_an_unusable_hash_and_a_table_alone_tells_nothing() {
    let (capture, _listening) = Capture::listen();
    for house in [House::new(), House::with(|builder| builder.secret_keys(only_old()))] {
        let stored = with_key(&keys());
        house.users.set("bob", stored.clone(), UserStatus::Active);
        capture.clear();
        assert_eq!((house.runs("bob", RIGHT).await, house.last_reason().as_str()), (1, "unusable_hash"));
        assert!(capture.text().contains("no secret key has the id that it names"));
        // Without the name of its key it is a hash of another function.
        house.users.set("bob", stored.replace(",keyid=bmV3", ""), UserStatus::Active);
        house.log_in("bob", RIGHT).await.assert_error(400, "invalid_grant");
        assert_eq!(house.last_reason(), "wrong_password");
    }
    // A key of the same id that is another one is a wrong password.
    let house = House::with(|builder| builder.secret_keys(SecretKeys::new("new", [3; 32]).unwrap()));
    house.users.set("bob", with_key(&keys()), UserStatus::Active);
    house.log_in("bob", RIGHT).await.assert_error(400, "invalid_grant");
}

#[test]
fn a_hash_is_as_long_as_the_manual_says() {
    let manual = include_str!("../../src/manual/password_hashes.md");
    let default = hash_with(&Argon2Parameters::default(), RIGHT);
    assert_eq!(default.len(), 97);
    assert!(manual.contains("default parameters has 97"));
    // The most: numbers of ten digits, and eight for the lanes; an id of eight characters.
    let keys = SecretKeys::new("12345678", NEW).unwrap();
    let longest = Argon2Parameters::default().hash_blocking_with(&Password::new(RIGHT.to_owned()), &keys).unwrap();
    let longest =
        longest.replace("m=19456", "m=4294967295").replace("t=2", "t=4294967295").replace("p=1", "p=16777215");
    assert_eq!(longest.len(), 136);
    assert!(manual.contains("at most 136"));
}

#[tokio::test]
async fn without_a_preparation_a_password_is_compared_exactly_as_it_was_sent_en_09() {
    let house = House::new();
    house.users.set("bob", hash_with(&cheap(), "caf\u{e9}"), UserStatus::Active);
    house.log_in("bob", "caf\u{e9}").await.assert_ok();
    house.log_in("bob", "cafe\u{301}").await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_prepared_password_is_one_however_it_is_typed_when_it_is_set_and_when_it_is_compared_ni_04() {
    let house = House::with(|builder| builder.prepare_passwords(PasswordPreparation::nfc()));
    for set in ["caf\u{e9}", "cafe\u{301}"] {
        let made = house.verifier.hash_password(Password::new(set.to_owned())).await.unwrap();
        house.users.set("bob", made, UserStatus::Active);
        for typed in ["caf\u{e9}", "cafe\u{301}"] {
            assert_eq!((house.runs("bob", typed).await, house.last_reason().as_str()), (1, "id-bob"));
        }
        house.log_in("bob", "cafe").await.assert_error(400, "invalid_grant");
    }
    // What the manual warns of.
    house.users.set("bob", hash_with(&cheap(), "cafe\u{301}"), UserStatus::Active);
    house.log_in("bob", "cafe\u{301}").await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_hash_of_another_system_is_compared_with_what_was_sent_and_becomes_one_of_the_prepared_password() {
    let house = House::with(|builder| builder.prepare_passwords(PasswordPreparation::nfc()));
    let django = format!("argon2{}", hash_with(&cheap(), "cafe\u{301}"));
    house.users.set("bob", django, UserStatus::Active);
    house.log_in("bob", "caf\u{e9}").await.assert_error(400, "invalid_grant");
    house.log_in("bob", "cafe\u{301}").await.assert_ok();
    assert!(house.users.hash("bob").starts_with("$argon2id$"));
    house.log_in("bob", "caf\u{e9}").await.assert_ok();
}

#[tokio::test]
async fn a_password_that_the_preparation_refuses_cannot_be_set_and_is_a_wrong_one_pr_02() {
    let house = House::with(|builder| builder.prepare_passwords(PasswordPreparation::opaque_string()));
    for refused in ["two\twords", "heart \u{2764}\u{fe0f}"] {
        let error = house.verifier.hash_password(Password::new(refused.to_owned())).await.unwrap_err();
        assert_eq!(error.to_string(), HashError::Prohibited.to_string());
        for (name, reason) in [("alice", "wrong_password"), ("nobody", "unknown_user")] {
            assert_eq!((house.runs(name, refused).await, house.last_reason().as_str()), (1, reason));
        }
    }
    let made = house.verifier.hash_password(Password::new("two\u{a0}words".to_owned())).await.unwrap();
    house.users.set("bob", made, UserStatus::Active);
    house.log_in("bob", "two words").await.assert_ok();
}
