//! The table of users: names, the end of logins, and what two servers do at once.

use std::time::{Duration, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::error::BackendErrorKind::Fault;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, LoginName, NewUser, RefreshFamily, RefreshTokenStore, SecretDigest,
    StoredUser, UserStatus, UserStore,
};
use tower_password_grant::testing::{begin_family, contract};
use tower_password_grant::user::HostCode;

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, new_name, new_two};

async fn find(store: &PostgresStore, login: &str, realm: Option<&str>) -> Option<StoredUser> {
    UserStore::find(store, &LoginName::new(login), realm).await.unwrap()
}

fn alice() -> NewUser {
    NewUser::new("user-17", " ALICE ").with_alias("alice@example.org").with_password_hash("hash-1".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_found_by_all_names_in_its_realm_only_and_a_taken_name_changes_nothing() {
    let Some(server) = Postgres::start("postgres-names") else { return };
    let [store, other] = new_two(&server).await;
    assert!(store.add_user(alice()).await.unwrap());
    assert!(store.add_user(NewUser::new("user-18", "alice").with_realm(Some("staff"))).await.unwrap());
    assert!(store.add_user(NewUser::new("user-19", "alice").with_realm(Some(""))).await.unwrap());
    for (login, realm, id) in [
        ("alice", None, Some("user-17")),
        ("alice@example.org", None, Some("user-17")),
        ("Alice", Some("staff"), Some("user-18")),
        ("alice", Some(""), Some("user-19")),
        ("alice", Some("other"), None),
        ("alice@example.org", Some("staff"), None),
    ] {
        let found = find(&other, login, realm).await;
        assert_eq!(found.as_ref().map(StoredUser::id), id, "{login} {realm:?}");
    }
    assert!(other.find_by_id("user-17", None).await.unwrap().is_some());
    assert!(other.find_by_id("user-17", Some("staff")).await.unwrap().is_none());
    assert!(other.find_by_id("user-18", Some("staff")).await.unwrap().is_some());
    for user in [
        NewUser::new("user-20", "alice@example.org"),
        NewUser::new("user-20", "bob").with_alias("Alice"),
        NewUser::new("user-17", "bob"),
    ] {
        assert!(!other.add_user(user).await.unwrap());
    }
    assert!(find(&store, "bob", None).await.is_none());
    assert!(store.find_by_id("user-20", None).await.unwrap().is_none());
    assert!(store.add_user(NewUser::new("user-20", "\u{200b} ")).await.is_err());
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_users_page_by_page_and_changes_their_names_and_states() {
    let Some(server) = Postgres::start("postgres-pages-of-users") else { return };
    let [store, _] = new_two(&server).await;
    for user in [alice(), NewUser::new("user-18", "Bob").with_realm(Some("staff")), NewUser::new("user-19", "carol")] {
        assert!(store.add_user(user).await.unwrap());
    }
    for status in [
        UserStatus::Disabled,
        UserStatus::Locked,
        UserStatus::PasswordExpired,
        UserStatus::Unverified,
        UserStatus::Active,
        UserStatus::Denied(HostCode::new("company_locked", "closed until Monday").unwrap()),
    ] {
        assert!(store.set_user_status("user-19", status.clone()).await.unwrap());
        assert_eq!(find(&store, "carol", None).await.unwrap().status(), &status);
    }
    assert!(!store.set_user_status("nobody", UserStatus::Active).await.unwrap());
    let seen = async |after: &str, most| {
        let users = store.users(after, most).await.unwrap();
        let seen = users.iter().map(|user| {
            let (id, realm, names) = (user.id(), user.realm(), user.names());
            format!("{id} {realm:?} {names:?} {} {}", user.status() == &UserStatus::Active, user.has_password())
        });
        seen.collect::<Vec<_>>()
    };
    let [one, two, three] = [
        r#"user-17 None ["alice", "alice@example.org"] true true"#,
        r#"user-18 Some("staff") ["bob"] true false"#,
        r#"user-19 None ["carol"] false false"#,
    ];
    assert_eq!(seen("", 2).await, [one, two]);
    assert_eq!(seen("user-18", 2).await, [three]);
    assert!(store.set_user_names("user-17", ["ALICIA", "alice"]).await.unwrap());
    assert!(find(&store, "alicia", None).await.is_some() && find(&store, "alice@example.org", None).await.is_none());
    // Of another in the same realm, and of nobody; in another realm it is free.
    assert!(!store.set_user_names("user-19", ["dora", "Alice"]).await.unwrap());
    assert!(!store.set_user_names("nobody", ["dora"]).await.unwrap());
    assert_eq!(seen("user-18", 2).await, [three]);
    assert!(store.set_user_names("user-18", ["alice"]).await.unwrap());
    for names in [&[][..], &["\u{200b}", "dora"]] {
        assert!(store.set_user_names("user-19", names.iter().copied()).await.is_err());
    }
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_users_who_want_one_name_at_two_servers_at_once_one_has_it_and_nobody_waits_in_a_circle() {
    let Some(server) = Postgres::start("postgres-name-races") else { return };
    let stores = new_two(&server).await;
    for round in 0..20 {
        // Each has thirty of forty names, in any order.
        let adds = (0..12_usize).map(|number| {
            let store = stores[number % 2].clone();
            let name = |at: usize| format!("name-{round}-{}", (at * 7 + number * 3) % 40);
            let user = NewUser::new(format!("user-{round}-{number}"), &name(0));
            let user = (1..30).fold(user, |user, at| user.with_alias(&name(at)));
            async move { store.add_user(user).await.unwrap() }
        });
        let added = contract::together(adds).await.into_iter().filter(|added| *added).count();
        assert_eq!(added, 1, "thirty of forty names leave no room for thirty more");
    }
    // Two users who swap their names at once: one is first, or neither, and nobody loses a name.
    for (id, name) in [("one", "ann"), ("two", "zoe")] {
        assert!(stores[0].add_user(NewUser::new(id, name)).await.unwrap());
    }
    for _ in 0..20 {
        let swaps = [("one", "zoe"), ("two", "ann")].map(|(id, name)| {
            let store = stores[id.len() % 2].clone();
            async move { store.set_user_names(id, [name, id]).await.unwrap() }
        });
        contract::together(swaps).await;
        let users = stores[0].users("on", 2).await.unwrap();
        let names = users.iter().flat_map(|user| user.names().iter().map(String::as_str));
        assert_eq!(names.filter(|name| ["ann", "zoe"].contains(name)).count(), 2, "{users:?}");
        assert!(
            stores[0].set_user_names("one", ["ann"]).await.unwrap() || find(&stores[0], "ann", None).await.is_some()
        );
    }
    assert_eq!(errors(&server), [""; 0]);
}

/// Gives the user so many refresh tokens and access tokens of a subject, straight into the tables.
async fn fill(server: &Postgres, name: &str, subject: &str, realm: Option<&str>, rows: i32) {
    let client = connect(server).await;
    let families = format!(
        "INSERT INTO \"{name}\".refresh_families
            (id, subject, client, realm, scope, methods, authenticated_at, expires, lineage)
        SELECT decode(md5($1::text || coalesce($2::text, '-') || n), 'hex'), $1, 'app-' || n, $2, '', '', 0, 9000000000000000, '\\x01'
        FROM generate_series(1, $3::int) AS n"
    );
    client.execute(&families, &[&subject, &realm, &rows]).await.unwrap();
    let tokens = format!(
        "INSERT INTO \"{name}\".access_tokens
            (digest, login, subject, client, realm, scope, audience, issued, expires, methods, claims)
        SELECT decode(md5('token' || $1::text || coalesce($2::text, '-') || n), 'hex'), '\\x07', $1, 'app', $2, '', '[]', 0,
            9000000000000000, '', '{{}}' FROM generate_series(1, $3::int) AS n"
    );
    client.execute(&tokens, &[&subject, &realm, &rows]).await.unwrap();
}

/// The families that live, and the access tokens.
async fn living(server: &Postgres, name: &str) -> (i64, i64) {
    let query = format!(
        "SELECT (SELECT count(*) FROM \"{name}\".refresh_families WHERE ended IS NULL),
            (SELECT count(*) FROM \"{name}\".access_tokens)"
    );
    let row = connect(server).await.query_one(&query, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_the_end_of_all_logins_and_a_removal_leave_no_token_of_either_subject() {
    let Some(server) = Postgres::start("postgres-end") else { return };
    let name = new_name();
    let [store, other] = make_two(&server, &name).await;
    assert!(store.add_user(NewUser::new("17", "alice").with_realm(Some("staff"))).await.unwrap());
    let version = async |by: &PostgresStore| {
        find(by, "alice", Some("staff")).await.unwrap().credential_version().map(str::to_owned)
    };
    assert_eq!(version(&other).await.as_deref(), Some("0"));
    // Those of others stay: in another realm, and whose realm stands in front of the same id.
    fill(&server, &name, "17", None, 3).await;
    fill(&server, &name, "other|17", Some("staff"), 3).await;
    for round in 0..3 {
        fill(&server, &name, "17", Some("staff"), 1_200).await;
        fill(&server, &name, "staff|17", Some("staff"), 1_200).await;
        assert!(!store.end_logins("18").await.unwrap());
        assert_eq!(living(&server, &name).await, (2_406, 2_406));
        match round {
            0 => assert!(store.end_logins("17").await.unwrap()),
            1 => assert!(store.set_password_hash("17", Some("hash")).await.unwrap()),
            _ => assert!(store.remove_user("17").await.unwrap()),
        }
        assert_eq!(living(&server, &name).await, (6, 6), "{round}");
        if round < 2 {
            assert_eq!(version(&other).await, Some((round + 1).to_string()));
        }
        // Their ids are given again.
        connect(&server)
            .await
            .batch_execute(&format!("DELETE FROM \"{name}\".refresh_families WHERE ended > 0"))
            .await
            .unwrap();
    }
    assert!(!other.remove_user("17").await.unwrap());
    assert!(find(&other, "alice", Some("staff")).await.is_none());
    assert!(store.add_user(NewUser::new("20", "alice").with_realm(Some("staff"))).await.unwrap());
    assert_eq!(errors(&server), [""; 0]);
}

/// Such a login was not there to be ended, and saw the user as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_kept_while_a_new_password_is_being_committed_ends_with_those_before_it() {
    let Some(server) = Postgres::start("postgres-end-commit") else { return };
    let name = new_name();
    let [store, other] = make_two(&server, &name).await;
    assert!(store.add_user(alice()).await.unwrap());
    // Each change of a user waits for a second before it is committed.
    let slow = format!(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON \"{name}\".users DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION slow()"
    );
    connect(&server).await.batch_execute(&slow).await.unwrap();
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    let later = now + Duration::from_secs(3_600);
    for change in [true, false] {
        let before = find(&other, "alice", None).await.unwrap().credential_version().map(str::to_owned);
        let changing = async {
            match change {
                true => store.set_password_hash("user-17", Some("hash")).await,
                false => store.end_logins("user-17").await,
            }
        };
        let keeping = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let seen = find(&other, "alice", None).await.unwrap();
            assert_eq!(seen.credential_version().map(str::to_owned), before, "it is not committed");
            let id = FamilyId::from_bytes([7 + u8::from(change); 16]);
            let family = RefreshFamily::new(id, "user-17", app.clone(), now, later);
            begin_family(&other, family, &SecretDigest::of("t"), now).await.unwrap();
            let record = AccessTokenRecord::new("user-17", app.clone(), now, later).with_family(Some(id));
            other.insert(SecretDigest::of("t"), record).await.unwrap();
            assert_eq!(living(&server, &name).await, (1, 1));
        };
        let (changed, ()) = tokio::join!(changing, keeping);
        assert!(changed.unwrap());
        assert_eq!(living(&server, &name).await, (0, 0));
        assert_ne!(find(&other, "alice", None).await.unwrap().credential_version().map(str::to_owned), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_begin_while_all_are_ended_and_users_who_are_removed_at_two_servers_wait_in_no_circle() {
    let Some(server) = Postgres::start("postgres-end-races") else { return };
    let stores = new_two(&server).await;
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    let later = now + Duration::from_secs(3_600);
    for round in 0..10_u128 {
        assert!(stores[0].add_user(alice()).await.unwrap());
        let calls = (0..48_u128).map(|number| {
            let (store, app) = (stores[number as usize % 2].clone(), app.clone());
            async move {
                let key = round * 1_000 + number;
                match number % 6 {
                    0 => {
                        store.end_logins("user-17").await.unwrap();
                    }
                    1 => {
                        store.set_password_hash("user-17", Some("hash")).await.unwrap();
                    }
                    2 => {
                        RefreshTokenStore::revoke_subject(&store, None, "user-17").await.unwrap();
                    }
                    3 => {
                        AccessTokenStore::revoke_subject(&store, None, "user-17").await.unwrap();
                    }
                    4 => {
                        let family =
                            RefreshFamily::new(FamilyId::from_bytes(key.to_be_bytes()), "user-17", app, now, later);
                        begin_family(&store, family, &SecretDigest::of("t"), now).await.unwrap();
                    }
                    _ => {
                        let record = AccessTokenRecord::new("user-17", app, now, later);
                        store.insert(SecretDigest::of(&key.to_string()), record).await.unwrap();
                    }
                }
            }
        });
        contract::together(calls).await;
        let removals = [0, 1].map(|number| {
            let store = stores[number].clone();
            async move { store.remove_user("user-17").await.unwrap() }
        });
        let removed = contract::together(removals).await;
        assert_ne!(removed[0], removed[1], "one removes the user");
    }
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_an_unknown_status_is_an_error_and_is_let_in_by_nobody() {
    let Some(server) = Postgres::start("postgres-bad-users") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, _] = make_two(&server, &name).await;
    assert!(store.add_user(alice()).await.unwrap());
    assert!(store.add_user(NewUser::new("user-18", "bob")).await.unwrap());
    for change in
        ["status = 'retired'", "status = 'denied', code = NULL", "status = 'denied', code = 'b\"d', description = ''"]
    {
        client.batch_execute(&format!("UPDATE \"{name}\".users SET {change} WHERE id = 'user-17'")).await.unwrap();
        let error = UserStore::find(&store, &LoginName::new("alice"), None).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (Fault, "the PostgreSQL store cannot read the status of a user")
        );
        assert_eq!(store.find_by_id("user-17", None).await.unwrap_err().kind(), Fault);
        assert_eq!(store.users("", 9).await.unwrap_err().kind(), Fault);
        assert!(find(&store, "bob", None).await.is_some(), "others go on");
        assert!(store.set_user_status("user-17", UserStatus::Active).await.unwrap());
        assert!(find(&store, "alice", None).await.is_some());
    }
}
