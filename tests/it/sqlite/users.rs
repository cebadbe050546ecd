//! The table of users, for the verifier of the feature `argon2`.

use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, LoginName, NewUser, StoredUser, UserStatus, UserStore,
};
use tower_password_grant::testing::{TokenUsed, attempt, begin_family};
use tower_password_grant::user::{HostCode, SecretKeys};
use tower_password_grant::{ClientId, CredentialVerifier, Denial, Password, Verdict};

use crate::support::folder::{Folder, at, digest, family, id, rotation_of};

async fn find(store: &SqliteStore, login: &str, realm: Option<&str>) -> Option<StoredUser> {
    UserStore::find(store, &LoginName::new(login), realm).await.unwrap()
}

fn alice() -> NewUser {
    NewUser::new("user-17", " ALICE ").with_alias("alice@example.org").with_password_hash("hash-1".to_owned())
}

#[tokio::test]
async fn a_user_is_found_by_all_names_in_its_realm_only_after_a_restart() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(store.add_user(alice()).await.unwrap());
    assert!(store.add_user(NewUser::new("user-18", "alice").with_realm(Some("staff"))).await.unwrap());
    assert!(store.add_user(NewUser::new("user-19", "alice").with_realm(Some(""))).await.unwrap());
    store.close().await;
    let store = folder.store();
    let mut seen = Vec::new();
    for (login, realm) in
        [("alice", None), ("alice@example.org", None), ("alice", Some("staff")), ("alice", Some("")), ("ALICE", None)]
    {
        seen.push(find(&store, login, realm).await.map(|user| format!("{user:?}")));
    }
    assert!(seen[0].as_ref().unwrap().contains("user-17") && seen[0].as_ref().unwrap().contains("has_password: true"));
    assert_eq!(seen[1], seen[0]);
    assert!(seen[2].as_ref().unwrap().contains("user-18") && seen[2].as_ref().unwrap().contains("has_password: false"));
    assert!(seen[3].as_ref().unwrap().contains("user-19"));
    assert_eq!(seen[4], seen[0], "names are kept in one form, whatever is typed");
    assert!(find(&store, "alice", Some("other")).await.is_none());
    assert!(store.find_by_id("user-17", None).await.unwrap().is_some());
    assert!(store.find_by_id("user-17", Some("staff")).await.unwrap().is_none());
    assert!(store.find_by_id("user-18", Some("staff")).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test]
async fn login_names_and_aliases_are_one_name_space_and_a_taken_one_changes_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(store.add_user(alice()).await.unwrap());
    for user in [
        NewUser::new("user-18", "alice@example.org"),
        NewUser::new("user-18", "bob").with_alias("Alice"),
        NewUser::new("user-17", "bob"),
    ] {
        assert!(!store.add_user(user).await.unwrap());
    }
    assert!(find(&store, "bob", None).await.is_none());
    assert!(store.find_by_id("user-18", None).await.unwrap().is_none());
    assert!(store.add_user(NewUser::new("user-18", "\u{200b} ")).await.is_err());
    store.close().await;
}

#[tokio::test]
async fn every_status_comes_back() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(store.add_user(alice()).await.unwrap());
    for status in [
        UserStatus::Disabled,
        UserStatus::Locked,
        UserStatus::PasswordExpired,
        UserStatus::Unverified,
        UserStatus::Denied(HostCode::new("company_locked", "closed until Monday").unwrap()),
        UserStatus::Active,
    ] {
        assert!(store.set_user_status("user-17", status.clone()).await.unwrap());
        let found = format!("{:?}", find(&store, "alice", None).await.unwrap());
        assert!(found.contains(&format!("status: {status:?}")), "{found}");
    }
    assert!(!store.set_user_status("nobody", UserStatus::Active).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn an_upgraded_hash_replaces_only_the_hash_it_was_made_from() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(store.add_user(alice()).await.unwrap());
    assert!(store.save_hash("user-17", "hash-1", "hash-2").await.unwrap());
    assert!(!store.save_hash("user-17", "hash-1", "hash-3").await.unwrap());
    assert!(!store.save_hash("nobody", "hash-1", "hash-3").await.unwrap());
    store.close().await;
}

/// The version of the credentials that the verifier gives to a login.
async fn version(verifier: &Argon2Verifier<SqliteStore>, password: &str) -> Option<String> {
    match verifier.verify(attempt("Alice", password).build().unwrap()).await.unwrap() {
        Verdict::Granted(verified) => verified.subject().credential_version().map(str::to_owned),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_password_has_a_new_credential_version_and_an_upgraded_hash_has_not_t62() {
    let folder = Folder::new();
    let store = folder.store();
    let old = Argon2Parameters::new(64, 1, 1).unwrap();
    let hash = |text: &str| old.hash_blocking(&Password::new(text.to_owned())).unwrap();
    store.add_user(NewUser::new("user-17", "alice").with_password_hash(hash("one"))).await.unwrap();
    let verifier =
        Argon2Verifier::builder(store.clone()).parameters(Argon2Parameters::new(128, 1, 1).unwrap()).build().unwrap();
    assert_eq!(version(&verifier, "one").await.as_deref(), Some("0"));
    assert_eq!(version(&verifier, "one").await.as_deref(), Some("0"), "after the upgrade");
    assert!(store.set_password_hash("user-17", Some(&hash("two"))).await.unwrap());
    assert_eq!(version(&verifier, "two").await.as_deref(), Some("1"));
    let denied = verifier.verify(attempt("alice", "one").build().unwrap()).await.unwrap();
    assert!(matches!(denied, Verdict::Denied(Denial::WrongPassword)));
    assert!(store.end_logins("user-17").await.unwrap());
    assert_eq!(version(&verifier, "two").await.as_deref(), Some("2"));
    assert!(store.set_password_hash("user-17", None).await.unwrap());
    let denied = verifier.verify(attempt("alice", "two").build().unwrap()).await.unwrap();
    assert!(matches!(denied, Verdict::Denied(_)));
    store.close().await;
}

#[tokio::test]
async fn the_column_keeps_the_longest_hash_and_an_upgrade_is_what_was_written() {
    let folder = Folder::new();
    let store = folder.store();
    let keys = || SecretKeys::new("12345678", [7; 32]).unwrap();
    let old = Argon2Parameters::new(64, 1, 1).unwrap().hash_blocking(&Password::new("one".to_owned())).unwrap();
    store.add_user(NewUser::new("user-17", "alice").with_password_hash(old)).await.unwrap();
    let verifier = Argon2Verifier::builder(store.clone()).secret_keys(keys()).threads(1).build().unwrap();
    for _ in 0..2 {
        assert_eq!(version(&verifier, "one").await.as_deref(), Some("0"));
    }
    assert_eq!((verifier.stats().failed_saves, verifier.stats().unusable_hashes), (0, 0));
    store.close().await;
    // What was written is there after a restart, and needs the key.
    let store = folder.store();
    let without = Argon2Verifier::builder(store.clone()).threads(1).build().unwrap();
    let denied = without.verify(attempt("alice", "one").build().unwrap()).await.unwrap();
    assert!(matches!(denied, Verdict::Denied(Denial::UnusableHash)), "{denied:?}");
    let with = Argon2Verifier::builder(store.clone()).secret_keys(keys()).threads(1).build().unwrap();
    assert_eq!(version(&with, "one").await.as_deref(), Some("0"));
    store.close().await;
}

/// Gives the user a refresh token and an access token.
async fn log_in(store: &SqliteStore, number: u8) {
    begin_family(store, family(number), &digest(&format!("t{number}")), at(0)).await.unwrap();
    let record = AccessTokenRecord::new("user-17", ClientId::new("cli").unwrap(), at(0), at(9));
    store.insert(digest(&format!("a{number}")), record).await.unwrap();
}

async fn is_logged_out(store: &SqliteStore, number: u8) -> bool {
    let refreshed = rotation_of(id(number), &format!("t{number}"), &format!("n{number}"), 1).by(store).await.unwrap();
    let found = AccessTokenStore::find(store, &digest(&format!("a{number}"))).await.unwrap();
    assert_eq!(refreshed == TokenUsed::Gone, found.is_none());
    found.is_none()
}

#[tokio::test]
async fn a_new_password_and_the_end_of_all_logins_leave_no_token() {
    let folder = Folder::new();
    let store = folder.store();
    store.add_user(alice()).await.unwrap();
    log_in(&store, 1).await;
    assert!(!store.end_logins("user-18").await.unwrap() && !is_logged_out(&store, 1).await);
    assert!(store.end_logins("user-17").await.unwrap() && is_logged_out(&store, 1).await);
    log_in(&store, 2).await;
    assert!(store.set_user_status("user-17", UserStatus::Active).await.unwrap() && !is_logged_out(&store, 2).await);
    assert!(store.set_password_hash("user-17", None).await.unwrap() && is_logged_out(&store, 2).await);
    store.close().await;
}

#[tokio::test]
async fn a_removed_user_leaves_neither_names_nor_tokens() {
    let folder = Folder::new();
    let store = folder.store();
    store.add_user(alice()).await.unwrap();
    log_in(&store, 1).await;
    assert!(store.remove_user("user-17").await.unwrap());
    assert!(!store.remove_user("user-17").await.unwrap());
    assert!(find(&store, "alice@example.org", None).await.is_none());
    assert!(is_logged_out(&store, 1).await);
    assert!(store.add_user(NewUser::new("user-20", "alice")).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn an_operator_sees_the_users_page_by_page_and_changes_their_names() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(store.add_user(alice()).await.unwrap());
    assert!(store.add_user(NewUser::new("user-18", "Bob").with_realm(Some("staff"))).await.unwrap());
    assert!(store.add_user(NewUser::new("user-19", "carol")).await.unwrap());
    assert!(store.set_user_status("user-19", UserStatus::Disabled).await.unwrap());
    let seen = async |after: &str, most| {
        let users = store.users(after, most).await.unwrap();
        let seen = users.iter().map(|user| {
            let (id, realm, names) = (user.id(), user.realm(), user.names());
            format!("{id} {realm:?} {names:?} {:?} {}", user.status(), user.has_password())
        });
        seen.collect::<Vec<_>>()
    };
    let [one, two, three] = [
        r#"user-17 None ["alice", "alice@example.org"] Active true"#,
        r#"user-18 Some("staff") ["bob"] Active false"#,
        r#"user-19 None ["carol"] Disabled false"#,
    ];
    assert_eq!(seen("", 2).await, [one, two]);
    assert_eq!(seen("user-18", 2).await, [three]);
    assert!(!format!("{:?}", store.users("", 9).await.unwrap()).contains("alice"), "names stay out of logs");

    log_in(&store, 1).await;
    assert!(store.set_user_names("user-17", ["ALICIA", "alice"]).await.unwrap());
    assert!(!is_logged_out(&store, 1).await);
    assert!(find(&store, "alicia", None).await.is_some() && find(&store, "alice@example.org", None).await.is_none());
    // Of another in the same realm, and of nobody; in another realm it is free.
    assert!(!store.set_user_names("user-19", ["dora", "Alice"]).await.unwrap());
    assert!(!store.set_user_names("nobody", ["dora"]).await.unwrap());
    assert_eq!(seen("user-18", 2).await, [three]);
    assert!(store.set_user_names("user-18", ["alice"]).await.unwrap());
    for names in [&[][..], &["\u{200b}", "dora"]] {
        assert!(store.set_user_names("user-19", names.iter().copied()).await.is_err());
    }
    store.close().await;
}
