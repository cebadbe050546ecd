//! The tables: how they are made, and which servers may use them.

use std::time::Duration;

use tower_password_grant::postgres::{PostgresClients, PostgresError, PostgresStore};
use tower_password_grant::store::{OneTimeValues, SecretDigest};
use tower_password_grant::{BackendError, Client, ClientId};

use crate::cluster::Postgres;
use crate::database::{builder, connect, make_two, new_name};

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_made_by_many_servers_at_once_by_hand_or_not_at_all() {
    let Some(server) = Postgres::start("postgres-tables") else { return };
    let name = new_name();
    assert!(matches!(builder(&server, &name).open().await, Err(PostgresError::NotMigrated)));
    let migrations = (0..8).map(|_| {
        let builder = builder(&server, &name);
        tokio::spawn(async move { builder.migrate().await })
    });
    for migration in migrations.collect::<Vec<_>>() {
        migration.await.unwrap().unwrap();
    }
    builder(&server, &name).open().await.unwrap();

    // By hand, by a role that may make no schema, in one that was made for it.
    let (name, client) = (new_name(), connect(&server).await);
    let script = builder(&server, &name).migration().unwrap();
    let role = format!("CREATE ROLE maker LOGIN; CREATE SCHEMA \"{name}\" AUTHORIZATION maker; SET ROLE maker");
    client.batch_execute(&role).await.unwrap();
    for _ in 0..2 {
        client.batch_execute(&script).await.unwrap();
    }
    // What serves needs no right to change the tables.
    let rights = format!(
        "RESET ROLE; CREATE ROLE server LOGIN; GRANT USAGE ON SCHEMA \"{name}\" TO server;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{name}\" TO server; SET ROLE server"
    );
    client.batch_execute(&rights).await.unwrap();
    let store = PostgresStore::builder(PostgresClients::one(client)).schema(&name).open().await.unwrap();
    assert!(store.consume(&SecretDigest::of("a"), std::time::SystemTime::now()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_version_are_refused_with_their_number() {
    let Some(server) = Postgres::start("postgres-version") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    make_two(&server, &name).await;
    let set = async |number: i64| {
        client.batch_execute(&format!("UPDATE \"{name}\".schema_version SET number = {number}")).await.unwrap();
    };
    set(7).await;
    let error = builder(&server, &name).open().await.unwrap_err();
    assert_eq!(error.to_string(), "the tables have the version 7, this program can use those up to 2: update it, too");
    assert!(matches!(builder(&server, &name).migrate().await, Err(PostgresError::Later { found: 7, latest: 2 })));
    // Also where the script runs by hand.
    let script = builder(&server, &name).migration().unwrap();
    let error = client.batch_execute(&script).await.unwrap_err();
    assert!(format!("{error:?}").contains("the tables have the version 7"), "{error:?}");
    set(0).await;
    let error = builder(&server, &name).open().await.unwrap_err();
    assert!(matches!(error, PostgresError::Earlier { found: 0, needed: 1 }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_options_are_errors_that_say_what_to_do() {
    let Some(server) = Postgres::start("postgres-options") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    let error = builder(&server, &name).deadline(Duration::ZERO).open().await.unwrap_err();
    assert_eq!(error.to_string(), "a deadline of 0 leaves no time for an answer: give some milliseconds at least");
    let error = builder(&server, &name).access_tokens_per_login(0).open().await.unwrap_err();
    assert_eq!(error.to_string(), "a login needs at least one access token: give 1 or more");
    let error = builder(&server, "a\0b").open().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"a\\0b\" is no name of a schema: give 1 to 63 bytes without a NUL, a backslash or two dollar signs"
    );
    // A name is a name, whatever it looks like.
    let odd = "x\"; DROP SCHEMA public; --'";
    make_two(&server, odd).await;
    let count = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('public', $1)";
    assert_eq!(connect(&server).await.query_one(count, &[&odd]).await.unwrap().get::<_, i64>(0), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_see_the_past_are_refused() {
    let Some(server) = Postgres::start("postgres-isolation") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    let change = "ALTER ROLE postgres SET default_transaction_isolation = 'repeatable read'";
    connect(&server).await.batch_execute(change).await.unwrap();
    let error = builder(&server, &name).open().await.unwrap_err();
    let told =
        "transactions are \"repeatable read\": set `default_transaction_isolation` to `read committed` for the role";
    assert_eq!(error.to_string(), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_pruned_in_steps_until_none_of_it_is_left() {
    let Some(server) = Postgres::start("postgres-prune") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, other] = make_two(&server, &name).await;
    let fill = format!(
        "INSERT INTO \"{name}\".attempt_records
            SELECT int8send(n), '\\x01', decode(repeat('07', 85), 'hex'), CASE WHEN n % 4 = 0 THEN 9e15 ELSE n END
            FROM generate_series(1, 60000) AS n;
        INSERT INTO \"{name}\".spent_values SELECT int8send(n), n FROM generate_series(1, 2500) AS n;
        INSERT INTO \"{name}\".refresh_families
            (id, subject, client, scope, methods, authenticated_at, expires, lineage, ended)
            SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'a', 'app', '', '', 0, 9e15, '\\x01', n
            FROM generate_series(1, 300) AS n;
        INSERT INTO \"{name}\".access_tokens
            (digest, login, subject, client, scope, audience, issued, expires, methods, claims)
            SELECT int8send(n), decode(lpad(to_hex(1 + n % 300), 32, '0'), 'hex'), 'a', 'app', '', '[]', 0, 9e15, '', '{{}}'
            FROM generate_series(1, 3000) AS n"
    );
    client.batch_execute(&fill).await.unwrap();
    // Two servers at once leave nothing out and count nothing twice.
    let (one, two) = tokio::join!(store.prune(), other.prune());
    assert_eq!(one.unwrap() + two.unwrap() + store.prune().await.unwrap(), 45_000 + 2_500 + 300 + 3_000);
    let count = format!("SELECT count(*) FROM \"{name}\".attempt_records");
    assert_eq!(client.query_one(&count, &[]).await.unwrap().get::<_, i64>(0), 15_000);
    let plan = format!(
        "EXPLAIN SELECT key FROM \"{name}\".attempt_records
        WHERE ctid >= pg_catalog.format('(%s,0)', 512)::tid AND ctid < pg_catalog.format('(%s,0)', 1024)::tid"
    );
    let plan = client.query(&plan, &[]).await.unwrap();
    assert!(plan[0].get::<_, &str>(0).starts_with("Tid Range Scan"), "{}", plan[0].get::<_, &str>(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_a_nul_never_reaches_the_server() {
    use tower_password_grant::error::BackendErrorKind;
    use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, RefreshTokenStore};

    let Some(server) = Postgres::start("postgres-nul") else { return };
    let [store, _] = make_two(&server, &new_name()).await;
    let kind = |error: BackendError| (error.kind(), error.to_string());
    let refused = (BackendErrorKind::Fault, "the PostgreSQL store cannot keep a text with a NUL character".to_owned());
    assert_eq!(kind(RefreshTokenStore::revoke_subject(&store, None, "a\0").await.unwrap_err()), refused);
    assert_eq!(kind(AccessTokenStore::revoke_subject(&store, Some("\0"), "a").await.unwrap_err()), refused);
    let (app, now) = (ClientId::new("app").unwrap(), std::time::SystemTime::now());
    let record = AccessTokenRecord::new("user\0", app, now, now + Duration::from_secs(60));
    assert_eq!(kind(store.insert(SecretDigest::of("t"), record).await.unwrap_err()), refused);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    // No client has one.
    assert!(Client::public("a\0").build().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_index_takes_never_reaches_the_server_and_what_is_shorter_is_kept() {
    use tower_password_grant::error::BackendErrorKind;
    use tower_password_grant::mfa::FactorUser;
    use tower_password_grant::store::{
        AccessTokenRecord, AccessTokenStore, Authenticator, AuthenticatorId, Enrolment, FactorStore, FamilyId, NewUser,
        RefreshFamily, UsageStore,
    };
    use tower_password_grant::testing::begin_family;
    use tower_password_grant::usage::{ClientUser, Day, LoginWay, Usage, UsageBatch, UsageRow};

    let Some(server) = Postgres::start("postgres-long") else { return };
    let [store, _] = make_two(&server, &new_name()).await;
    // Of what cannot be written shorter: an index packs what repeats itself.
    let text = |length: usize| -> String {
        let digits = (0..).flat_map(|n: u32| SecretDigest::of(&n.to_string()).as_bytes().map(|byte| byte % 64));
        digits.take(length).map(|digit| char::from(b'0' + digit % 10 + digit / 10 * 11 % 7)).collect()
    };
    let client = ClientId::new(&"c".repeat(256)).unwrap();
    let (app, now, later) =
        (&client, std::time::SystemTime::now(), std::time::SystemTime::now() + Duration::from_secs(60));
    let errors_of = async |subject: &str| {
        let record = AccessTokenRecord::new(subject, app.clone(), now, later);
        let family = RefreshFamily::new(FamilyId::from_bytes([7; 16]), subject, app.clone(), now, later);
        let id = AuthenticatorId::parse("totp|dev_0000000000000000000001").unwrap();
        let device = Authenticator::new(id.clone(), id.kind().unwrap(), None, vec![7; 60], now);
        let login = Usage::new(LoginWay::Password, true, Day::of(now));
        let row = UsageRow::new(ClientUser::new(app, None, subject), login);
        let errors = [
            store.insert(SecretDigest::of("t"), record).await.err(),
            begin_family(&store, family, &SecretDigest::of("t"), now).await.err().map(BackendError::from),
            store.enrol(FactorUser::new(None, subject), Enrolment::new(device, None, false), now).await.err(),
            store.record(UsageBatch::new(vec![row], Vec::new())).await.err(),
            store.add_user(NewUser::new(subject, "name")).await.err().map(BackendError::from),
            store.add_user(NewUser::new("id", subject)).await.err().map(BackendError::from),
            store.set_user_names("id", ["short", subject]).await.err().map(BackendError::from),
        ];
        errors.into_iter().flatten().map(|error| (error.kind(), error.to_string())).collect::<Vec<_>>()
    };
    // With a client of 256 bytes in front.
    assert_eq!(errors_of(&text(1_744)).await, []);
    let refused = (
        BackendErrorKind::Fault,
        "the PostgreSQL store cannot keep a subject or name of more than 2,000 bytes".to_owned(),
    );
    assert_eq!(errors_of(&text(2_001)).await, vec![refused; 7]);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

/// A server of a roll-out migrates while others serve, or while the tables are cleaned up.
#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_there_are_not_locked_by_a_migration() {
    let Some(server) = Postgres::start("postgres-migrate-again") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    let mut client = connect(&server).await;
    let writing = client.transaction().await.unwrap();
    // As a long bulk import, or `VACUUM`.
    let tables: Vec<String> =
        ["refresh_families", "access_tokens", "spent_values", "users", "user_names", "clients", "authenticators"]
            .map(|table| format!("\"{name}\".{table}"))
            .into();
    writing.batch_execute(&format!("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", tables.join(", "))).await.unwrap();
    builder(&server, &name).migrate().await.unwrap();
    writing.rollback().await.unwrap();
}
