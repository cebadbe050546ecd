//! Refresh token families, access tokens and one-time values.

use std::time::Duration;

use serde_json::json;
use tower_password_grant::ClientId;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, FamilyId, OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};
use tower_password_grant::token::Claims;

use crate::support::folder::{Folder, at, digest, family, id, rotation, rotation_of, salt};
use crate::support::spawn;

#[tokio::test]
async fn a_family_comes_back_with_every_fact_after_a_restart_rf_05() {
    let folder = Folder::new();
    let store = folder.store();
    let put = family(1)
        .with_realm(Some("staff"))
        .with_scope("read write".parse().unwrap())
        .with_audience(Some("https://api.example"))
        .with_grant_type(Some("password"))
        .with_credential_version(Some("7"));
    begin_family(&store, put, &digest("t0"), at(1)).await.unwrap();
    begin_family(&store, family(2), &digest("u0"), at(2)).await.unwrap();
    assert_eq!(rotation("t0", "t1", 3).by(&store).await.unwrap(), TokenUsed::Done);
    store.close().await;

    let store = folder.store();
    let found = RefreshTokenStore::find(&store, id(1)).await.unwrap().unwrap();
    let facts = found.family;
    assert_eq!((facts.id(), facts.subject_id(), facts.client().as_str()), (id(1), "user-17", "cli"));
    assert_eq!((facts.realm(), facts.scope().as_str()), (Some("staff"), "read write"));
    assert_eq!((facts.grant_type(), facts.credential_version()), (Some("password"), Some("7")));
    assert_eq!(facts.audience(), Some("https://api.example"));
    assert_eq!((facts.authenticated_at(), facts.expires()), (at(0), at(100_000)));
    let state = async |token: &str| token_state(&store, id(1), &digest(token)).await.unwrap().unwrap();
    assert_eq!(state("t1").await, (TokenState::Live, at(3)));
    assert_eq!(state("t0").await, (TokenState::Predecessor { used: at(3) }, at(3)));
    assert_eq!(state("t2").await, (TokenState::Spent, at(3)));
    let facts = RefreshTokenStore::find(&store, id(2)).await.unwrap().unwrap().family;
    assert_eq!((facts.realm(), facts.grant_type(), facts.credential_version()), (None, None, None));
    assert!(facts.scope().is_empty() && facts.audience().is_none());
    assert!(RefreshTokenStore::find(&store, id(3)).await.unwrap().is_none());
    store.close().await;
}

#[tokio::test]
async fn a_lost_answer_is_repeated_and_an_older_token_ends_the_family_across_restarts_rf_06_rf_07() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    assert_eq!(rotation("t0", "t1", 1).by(&store).await.unwrap(), TokenUsed::Done);
    store.close().await;
    let store = folder.store();
    assert_eq!(rotation("t0", "x1", 5).by(&store).await.unwrap(), TokenUsed::Repeated { salt: salt("t1") });
    assert_eq!(rotation("t1", "t2", 6).by(&store).await.unwrap(), TokenUsed::Done);
    assert_eq!(rotation("t0", "x1", 7).by(&store).await.unwrap(), TokenUsed::Replayed);
    store.close().await;
    let store = folder.store();
    assert_eq!(rotation("t2", "t3", 8).by(&store).await.unwrap(), TokenUsed::Gone);
    assert_eq!(token_state(&store, id(1), &digest("t2")).await.unwrap().unwrap().0, TokenState::Ended);
    store.close().await;
}

#[tokio::test]
async fn a_token_without_a_successor_stays_live() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    rotation("t0", "t1", 1).by(&store).await.unwrap();
    assert_eq!(RefreshTokenUse::new(id(1), digest("t1"), at(2)).by(&store).await.unwrap(), TokenUsed::Done);
    let found = token_state(&store, id(1), &digest("t1")).await.unwrap().unwrap();
    assert_eq!(found, (TokenState::Live, at(2)));
    store.close().await;
}

#[tokio::test]
async fn idle_and_absolute_ends_hold_rf_14() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    assert_eq!(rotation("t0", "t1", 49_999).by(&store).await.unwrap(), TokenUsed::Done);
    assert_eq!(rotation("t1", "t2", 99_999).by(&store).await.unwrap(), TokenUsed::Gone);
    let patient = rotation("t1", "t2", 99_998).with_idle_lifetime(Duration::MAX);
    assert_eq!(patient.by(&store).await.unwrap(), TokenUsed::Done);
    let patient = rotation("t2", "t3", 100_000).with_idle_lifetime(Duration::MAX);
    assert_eq!(patient.by(&store).await.unwrap(), TokenUsed::Gone);
    store.close().await;
}

#[tokio::test]
async fn families_end_one_by_one_and_by_subject_in_their_realm_only() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("a"), at(0)).await.unwrap();
    begin_family(&store, family(2), &digest("b"), at(0)).await.unwrap();
    begin_family(&store, family(3).with_realm(Some("staff")), &digest("c"), at(0)).await.unwrap();
    let first = id(1);
    assert!(RefreshTokenStore::revoke_family(&store, first).await.unwrap());
    assert!(!RefreshTokenStore::revoke_family(&store, first).await.unwrap());
    assert!(!RefreshTokenStore::revoke_family(&store, FamilyId::from_bytes([9; 16])).await.unwrap());
    assert_eq!(RefreshTokenStore::revoke_subject(&store, None, "user-17").await.unwrap(), 1);
    assert_eq!(rotation_of(id(3), "c", "c1", 1).by(&store).await.unwrap(), TokenUsed::Done);
    assert_eq!(RefreshTokenStore::revoke_subject(&store, Some("staff"), "user-17").await.unwrap(), 1);
    for (number, token) in [(1, "a"), (2, "b"), (3, "c"), (3, "c1")] {
        assert_eq!(rotation_of(id(number), token, "z", 2).by(&store).await.unwrap(), TokenUsed::Gone, "{token}");
    }
    store.close().await;
}

#[tokio::test]
async fn of_sixty_four_uses_of_one_token_exactly_one_rotates_it_t56() {
    let folder = Folder::new();
    let store = folder.store();
    for round in 0..20_u8 {
        let token = format!("t{round}");
        begin_family(&store, family(round), &digest(&token), at(0)).await.unwrap();
        let uses: Vec<_> = (0..64)
            .map(|number| {
                let using = rotation_of(id(round), &token, &format!("s{round}-{number}"), 1);
                let store = store.clone();
                spawn(async move { using.by(&store).await.unwrap() })
            })
            .collect();
        let mut done = 0;
        for using in uses {
            match using.await.unwrap() {
                TokenUsed::Done => done += 1,
                TokenUsed::Repeated { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(done, 1);
        let mut live = 0;
        for number in 0..64 {
            let successor = digest(&format!("s{round}-{number}"));
            let (state, _) = token_state(&store, id(round), &successor).await.unwrap().unwrap();
            live += usize::from(state == TokenState::Live);
        }
        assert_eq!(live, 1);
    }
    store.close().await;
}

#[tokio::test]
async fn a_replay_costs_the_same_in_a_family_of_ten_thousand_as_in_one_of_two_t55() {
    let folder = Folder::new();
    let store = folder.store();
    let of = |name: &str| id(if name == "small" { 1 } else { 2 });
    let rotate = async |name: &str, number: u32| {
        let step = rotation_of(of(name), &format!("{name}{number}"), &format!("{name}{}", number + 1), 1);
        assert_eq!(step.by(&store).await.unwrap(), TokenUsed::Done);
    };
    let cost = async |name: &str| {
        let before = store.stats().steps;
        assert_eq!(rotation_of(of(name), &format!("{name}0"), "x", 1).by(&store).await.unwrap(), TokenUsed::Replayed);
        store.stats().steps - before
    };
    begin_family(&store, family(1), &digest("small0"), at(0)).await.unwrap();
    rotate("small", 0).await;
    rotate("small", 1).await;
    let small = cost("small").await;

    begin_family(&store, family(2), &digest("large0"), at(0)).await.unwrap();
    for number in 0..10_000 {
        rotate("large", number).await;
    }
    let large = cost("large").await;
    assert!(small > 0 && large <= small + 8, "{small} and {large} instructions");
    store.close().await;
}

#[tokio::test]
async fn an_access_token_comes_back_with_every_fact_after_a_restart() {
    let folder = Folder::new();
    let store = folder.store();
    let claims = Claims::of(&json!({"tenant": 3, "roles": ["a", "b"]})).unwrap();
    let record = AccessTokenRecord::new("user-17", ClientId::new("cli").unwrap(), at(1), at(3601))
        .with_realm(Some("staff"))
        .with_scope("read write".parse().unwrap())
        .with_audience(["https://api.example", "https://other.example"])
        .with_authenticated_at(Some(at(0)))
        .with_family(Some(FamilyId::from_bytes([7; 16])))
        .with_claims(claims.clone());
    store.insert(digest("full"), record).await.unwrap();
    let bare = AccessTokenRecord::new("user-18", ClientId::new("web").unwrap(), at(1), at(2));
    store.insert(digest("bare"), bare).await.unwrap();
    store.close().await;

    let store = folder.store();
    let found = AccessTokenStore::find(&store, &digest("full")).await.unwrap().unwrap();
    assert_eq!((found.subject_id(), found.client().as_str(), found.realm()), ("user-17", "cli", Some("staff")));
    assert_eq!((found.issued_at(), found.expires(), found.authenticated_at()), (at(1), at(3601), Some(at(0))));
    assert_eq!(found.audience(), ["https://api.example", "https://other.example"]);
    assert_eq!((found.scope().as_str(), found.family()), ("read write", Some(FamilyId::from_bytes([7; 16]))));
    assert_eq!(found.claims(), &claims);
    let found = AccessTokenStore::find(&store, &digest("bare")).await.unwrap().unwrap();
    assert_eq!((found.realm(), found.authenticated_at(), found.family()), (None, None, None));
    assert!(found.scope().is_empty() && found.audience().is_empty() && found.claims().is_empty());
    store.close().await;
}

#[tokio::test]
async fn access_tokens_end_by_themselves_by_family_and_by_subject() {
    let folder = Folder::new();
    let store = folder.store();
    let record = |realm| {
        let client = ClientId::new("cli").unwrap();
        AccessTokenRecord::new("user-17", client, at(0), at(9)).with_realm(realm)
    };
    let of_family = record(None).with_family(Some(FamilyId::from_bytes([7; 16])));
    for (token, record) in [
        ("a", record(None)),
        ("b", of_family.clone()),
        ("c", of_family),
        ("d", record(None)),
        ("e", record(Some("staff"))),
    ] {
        store.insert(digest(token), record).await.unwrap();
    }
    let left = async || {
        let mut left = String::new();
        for token in ["a", "b", "c", "d", "e"] {
            if AccessTokenStore::find(&store, &digest(token)).await.unwrap().is_some() {
                left.push_str(token);
            }
        }
        left
    };
    assert!(store.revoke(&digest("a")).await.unwrap());
    assert!(!store.revoke(&digest("a")).await.unwrap());
    assert_eq!(left().await, "bcde");
    assert_eq!(AccessTokenStore::revoke_family(&store, FamilyId::from_bytes([7; 16])).await.unwrap(), 2);
    assert_eq!(left().await, "de");
    assert_eq!(AccessTokenStore::revoke_subject(&store, None, "user-17").await.unwrap(), 1);
    assert_eq!(left().await, "e");
    assert_eq!(AccessTokenStore::revoke_subject(&store, Some("staff"), "user-17").await.unwrap(), 1);
    assert_eq!(left().await, "");
    store.close().await;
}

#[tokio::test]
async fn no_access_token_is_kept_for_a_family_that_has_ended_meanwhile_t57() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let record =
        AccessTokenRecord::new("user-17", ClientId::new("cli").unwrap(), at(0), at(9)).with_family(Some(id(1)));
    store.insert(digest("before"), record.clone()).await.unwrap();
    assert!(AccessTokenStore::find(&store, &digest("before")).await.unwrap().is_some());
    RefreshTokenStore::revoke_family(&store, id(1)).await.unwrap();
    AccessTokenStore::revoke_family(&store, id(1)).await.unwrap();
    store.insert(digest("after"), record).await.unwrap();
    assert!(AccessTokenStore::find(&store, &digest("after")).await.unwrap().is_none());
    store.close().await;
}

#[tokio::test]
async fn no_access_token_outlives_its_family_when_its_end_was_cut_off_halfway_t55() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let record = AccessTokenRecord::new("user-17", ClientId::new("cli").unwrap(), at(0), at(3600));
    for (name, family) in [("a", Some(1)), ("another", Some(2)), ("none", None)] {
        let record = record.clone().with_family(family.map(|id| FamilyId::from_bytes([id; 16])));
        store.insert(digest(name), record).await.unwrap();
    }
    assert!(RefreshTokenStore::revoke_family(&store, id(1)).await.unwrap());
    // Here the process is killed, before the access tokens are removed.
    store.close().await;
    let store = folder.store();
    for (name, is_found) in [("a", false), ("another", true), ("none", true)] {
        assert_eq!(AccessTokenStore::find(&store, &digest(name)).await.unwrap().is_some(), is_found, "{name}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_value_is_spent_once_by_the_first_caller_and_stays_spent_after_a_restart() {
    let folder = Folder::new();
    let store = folder.store();
    let far = std::time::SystemTime::now() + Duration::from_secs(600);
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            spawn(async move { store.consume(&digest("ticket"), far).await.unwrap() })
        })
        .collect();
    let mut spent = 0;
    for one in tries {
        spent += usize::from(one.await.unwrap());
    }
    assert_eq!(spent, 1);
    store.close().await;
    let store = folder.store();
    assert!(!store.consume(&digest("ticket"), far).await.unwrap());
    assert!(store.consume(&digest("another"), far).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn the_access_tokens_of_a_family_go_a_few_at_a_time_and_all_of_them() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).access_tokens_per_login(200).open().unwrap();
    let record = |number: u8| {
        AccessTokenRecord::new("user-17", ClientId::new("cli").unwrap(), at(0), at(9000))
            .with_family(Some(FamilyId::from_bytes([number; 16])))
    };
    for number in 0..200 {
        store.insert(digest(&format!("a{number}")), record(1)).await.unwrap();
    }
    store.insert(digest("other"), record(2)).await.unwrap();
    let before = store.stats().commits;
    let removed = AccessTokenStore::revoke_family(&store, id(1)).await.unwrap();
    assert_eq!(removed, 200);
    let commits = store.stats().commits - before;
    assert!(commits >= 5, "{commits} transactions");
    for number in 0..200 {
        assert!(AccessTokenStore::find(&store, &digest(&format!("a{number}"))).await.unwrap().is_none());
    }
    assert!(AccessTokenStore::find(&store, &digest("other")).await.unwrap().is_some());
    store.close().await;
}
