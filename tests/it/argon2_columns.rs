//! Upgraded hashes in columns that do not keep them: nobody loses an account by logging in.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tower_password_grant::store::UserStatus;
use tracing::Level;

use crate::support::argon2_users::{Column, House, cheap, hash_with, until};
use crate::support::capture::{Capture, Said};

const RIGHT: &str = "correct horse";

/// `alice` with a hash that the next login upgrades, in a column of this kind.
fn house(column: Column) -> (House, String) {
    let house = House::new();
    let old = short();
    house.users.set("alice", old.clone(), UserStatus::Active);
    *house.users.column.lock().unwrap() = Some(column);
    (house, old)
}

/// A hash of 52 characters, as the old table holds it: with a short salt and a short output.
fn short() -> String {
    let mut output = [0; 10];
    let params = Params::new(8, 1, 1, Some(output.len())).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(RIGHT.as_bytes(), b"somesalt", &mut output).unwrap();
    format!("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ${}", STANDARD_NO_PAD.encode(output))
}

/// What becomes of a text that is longer than the old ones.
fn if_long(text: &str, change: impl Fn(&str) -> String) -> String {
    if text.len() > 60 { change(text) } else { text.to_owned() }
}

fn said(capture: &Capture, what: &str) -> Option<Said> {
    capture.events().into_iter().find(|said| said.field("message").is_some_and(|text| text.contains(what)))
}

#[tokio::test]
async fn a_column_that_is_too_short_gets_the_old_hash_back_and_the_operator_is_told() {
    let columns: [(Column, &str); 5] = [
        (|text| if_long(text, |text| text[..60].to_owned()), "60"),
        // The very last character, and a width that leaves nothing of the salt.
        (|text| if_long(text, |text| text[..93].to_owned()), "93"),
        (|text| if_long(text, |text| text[..20].to_owned()), "20"),
        (|text| if_long(text, str::to_lowercase), "94"),
        (|text| if_long(text, |text| format!("{:<64}", &text[..60])), "64"),
    ];
    for (column, kept) in columns {
        let (capture, _listening) = Capture::listen();
        let (house, old) = house(column);
        house.log_in("alice", RIGHT).await.assert_ok();
        assert_eq!(house.users.hash("alice"), old);
        assert_eq!(house.verifier.stats().failed_saves, 1);
        let warning = said(&capture, "the old one was put back").unwrap();
        assert_eq!(warning.level, Level::WARN);
        assert_eq!((warning.field("subject"), warning.field("kept")), (Some("id-alice"), Some(kept)));
        assert_eq!(warning.field("written"), Some("94"));
        assert!(warning.field("hint").unwrap().contains("255"));
        assert!(!capture.text().contains("$argon2id$"));
        // Not tried again with each login, by anybody: a crash between the two writes would cost an account.
        house.users.set("bob", old.clone(), UserStatus::Active);
        for name in ["alice", "bob"] {
            house.log_in(name, RIGHT).await.assert_ok();
            house.log_in(name, "wrong").await.assert_error(400, "invalid_grant");
        }
        assert_eq!(house.users.saves.lock().unwrap().len(), 2, "one upgrade, taken back");
    }
}

#[tokio::test]
async fn a_column_that_fills_a_hash_up_keeps_it() {
    let (house, old) = house(|text| format!("{text:<128}"));
    for _ in 0..2 {
        house.log_in("alice", RIGHT).await.assert_ok();
    }
    assert_ne!(house.users.hash("alice"), old);
    assert_eq!(house.users.saves.lock().unwrap().len(), 1, "it is as good as a current one");
    assert_eq!(house.verifier.stats().failed_saves, 0);
    house.log_in("alice", "wrong").await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_that_hangs_up_after_the_saving_leaves_no_account_with_half_a_hash() {
    let (house, old) = house(|text| if_long(text, |text| text[..60].to_owned()));
    {
        let mut login = pin!(house.log_in("alice", RIGHT));
        let mut cx = Context::from_waker(Waker::noop());
        while house.users.saves.lock().unwrap().is_empty() {
            assert!(login.as_mut().poll(&mut cx).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(house.users.hash("alice").len(), 60, "it hangs up when half of the new hash is there");
    }
    until(|| house.users.hash("alice") == old).await;
    house.log_in("alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn a_password_that_is_changed_meanwhile_is_never_taken_back() {
    let changed = hash_with(&cheap(), "a new password");
    // After the saving, and before the old hash is put back.
    for before_restoring in [false, true] {
        let (house, _) = house(|text| if_long(text, |text| text[..60].to_owned()));
        let other = changed.clone();
        if before_restoring {
            *house.users.before_save.lock().unwrap() = Some(Box::new(move |row, save| {
                if save == 2 {
                    row.hash = Some(other.clone());
                }
            }));
        } else {
            *house.users.after_save.lock().unwrap() = Some(Box::new(move |row, _| row.hash = Some(other.clone())));
        }
        house.log_in("alice", RIGHT).await.assert_error(400, "invalid_grant");
        assert_eq!(house.last_reason(), "wrong_password");
        assert_eq!(house.users.hash("alice"), changed, "{before_restoring}");
        house.log_in("alice", "a new password").await.assert_ok();
    }
}

#[tokio::test]
async fn what_cannot_be_put_back_is_an_error_event_and_no_login() {
    let (capture, _listening) = Capture::listen();
    let (house, _) = house(|text| if_long(text, |text| text[..60].to_owned()));
    *house.users.before_save.lock().unwrap() = Some(Box::new(|row, save| {
        if save == 2 {
            row.hash = Some("$argon2id$v=19$m=64".to_owned());
        }
    }));
    house.log_in("alice", RIGHT).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "unusable_hash");
    assert_eq!(said(&capture, "could not be put back").unwrap().level, Level::ERROR);
}

#[tokio::test]
async fn a_store_that_only_says_that_it_saved_locks_nobody_out() {
    let (capture, _listening) = Capture::listen();
    let (house, old) = house(str::to_owned);
    let kept = old.clone();
    *house.users.after_save.lock().unwrap() = Some(Box::new(move |row, _| row.hash = Some(kept.clone())));
    for logins in 1..=2 {
        house.log_in("alice", RIGHT).await.assert_ok();
        assert_eq!(house.verifier.stats().failed_saves, logins);
    }
    assert!(said(&capture, "was not saved").unwrap().field("cause").unwrap().contains("still gives back the old one"));
}
