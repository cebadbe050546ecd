//! The suites that every store is held to.

use std::time::Duration;

use tower_password_grant::Client;
use tower_password_grant::limiter::{SharedKey, StoredLimiter};
use tower_password_grant::postgres::{PostgresClients, PostgresStore};
use tower_password_grant::store::{NewUser, StoredUser};
use tower_password_grant::testing::contract;

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, make_two_over, new_name, new_two};

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_in_postgres_keep_the_contract_rf_10_rf_13() {
    let Some(server) = Postgres::start("postgres-refresh") else { return };
    contract::refresh_token_store(async || new_two(&server).await).await;
    // Only that a family was begun twice is one.
    assert!(errors(&server).iter().all(|line| line.contains("refresh_families_pkey")), "{:#?}", errors(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_in_postgres_keep_the_contract() {
    let Some(server) = Postgres::start("postgres-access") else { return };
    contract::access_token_store(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_and_a_refresh_in_postgres_keep_their_access_tokens_in_one_step() {
    let Some(server) = Postgres::start("postgres-step") else { return };
    contract::tokens_in_one_step(async || new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_values_in_postgres_keep_the_contract() {
    let Some(server) = Postgres::start("postgres-once") else { return };
    contract::one_time_values(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_attempts_in_postgres_keep_the_contract() {
    let Some(server) = Postgres::start("postgres-records") else { return };
    contract::attempt_records(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_attempts_in_postgres_are_forgotten_when_they_say() {
    let Some(server) = Postgres::start("postgres-time") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let stores = make_two(&server, &name).await;
    let pruned = stores[0].clone();
    let pass = async |time: Duration| {
        let back = format!("UPDATE \"{name}\".attempt_records SET forgotten_at = forgotten_at - {}", time.as_millis());
        client.batch_execute(&back).await.unwrap();
        pruned.prune().await.unwrap();
    };
    contract::attempt_records_over_time(async || stores.clone(), pass).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_over_postgres_keeps_the_contract_t2() {
    let Some(server) = Postgres::start("postgres-limiter") else { return };
    limiter(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

/// Holds stores to the suites of all they keep.
pub async fn whole(server: &Postgres, make: impl AsyncFn() -> [PostgresStore; 2]) {
    short(server, &make).await;
    contract::refresh_token_store(&make).await;
    // Only that a family was begun twice is one.
    assert!(errors(server).iter().all(|line| line.contains("refresh_families_pkey")), "{:#?}", errors(server));
}

/// The same without the longest suite.
pub async fn short(server: &Postgres, make: impl AsyncFn() -> [PostgresStore; 2]) {
    contract::one_time_values(&make).await;
    contract::access_token_store(&make).await;
    contract::attempt_records(&make).await;
    clients(&make).await;
    users(&make).await;
    contract::factor_store(&make).await;
    contract::usage_store(&make).await;
    contract::tokens_in_one_step(&make).await;
    // Only that a family was begun twice is one.
    assert!(errors(server).iter().all(|line| line.contains("refresh_families_pkey")), "{:#?}", errors(server));
}

/// Holds limiters over stores to their suites.
pub async fn limiter(make: impl AsyncFn() -> [PostgresStore; 2]) {
    let key = SharedKey::new([7; 32]).unwrap();
    let make = async || make().await.map(|store| StoredLimiter::new(store, &key));
    contract::attempt_limiter(make).await;
    contract::factor_limiter(make).await;
    contract::limiter_operator(make).await;
}

/// Holds stores to the suites of clients.
pub async fn clients(make: impl AsyncFn() -> [PostgresStore; 2]) {
    let make = async |clients: Vec<Client>| {
        let [store, other] = make().await;
        for client in &clients {
            store.put_client(client).await.unwrap();
        }
        other
    };
    contract::client_registry(make).await;
}

/// Holds stores to the suites of users.
pub async fn users(make: impl AsyncFn() -> [PostgresStore; 2]) {
    let make = async |users: [(String, StoredUser); 2]| {
        let [store, other] = make().await;
        for (name, user) in users {
            let hash = user.password_hash().map(str::to_owned);
            assert!(store.add_user(NewUser::new(user.id(), &name).with_password_hash(hash)).await.unwrap());
        }
        [store, other]
    };
    contract::user_store(&make).await;
    contract::user_insert(&make).await;
    let change = async |store: &PostgresStore, id: &str, hash: &str| {
        assert!(store.set_password_hash(id, Some(hash)).await.unwrap());
    };
    contract::password_change(&make, change).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_users_in_postgres_keep_the_contract() {
    let Some(server) = Postgres::start("postgres-users") else { return };
    clients(async || new_two(&server).await).await;
    users(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn authenticators_in_postgres_keep_the_contract() {
    let Some(server) = Postgres::start("postgres-factors") else { return };
    contract::factor_store(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledgers_rows_in_postgres_keep_the_contract() {
    let Some(server) = Postgres::start("postgres-usage") else { return };
    contract::usage_store(async || new_two(&server).await).await;
    assert_eq!(errors(&server), [""; 0]);
}

/// The order of clients, users and realms is that of their bytes, whatever that of the database is.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_the_order_of_a_language_keeps_the_contract() {
    let Some(server) = Postgres::start("postgres-language") else { return };
    let client = connect(&server).await;
    let version: i32 =
        client.query_one("SHOW server_version_num", &[]).await.unwrap().get::<_, &str>(0).parse().unwrap();
    if version < 150_000 {
        println!("an order of ICU for a database needs PostgreSQL 15");
        return;
    }
    let make = "CREATE DATABASE words TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'";
    client.batch_execute(make).await.unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/words", server.port);
    let make = async || make_two_over(&url, &new_name()).await;
    contract::usage_store(make).await;
    users(make).await;
    let [store, _] = make().await;
    for id in ["b", "B", "a-a", "aa"] {
        store.put_client(&Client::public(id).build().unwrap()).await.unwrap();
        assert!(store.add_user(NewUser::new(id, id)).await.unwrap() || id == "B");
    }
    let ids: Vec<String> = store.client_ids("", 9).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["B", "a-a", "aa", "b"]);
    let ids: Vec<String> = store.users("a", 9).await.unwrap().iter().map(|user| user.id().to_owned()).collect();
    assert_eq!(ids, ["a-a", "aa", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_into_the_path_of_names_is_not_called() {
    let Some(server) = Postgres::start("postgres-path") else { return };
    let others =
        "CREATE FUNCTION public.concat_ws(text, text, text, text) RETURNS text LANGUAGE sql AS 'SELECT 1/0::text';
        CREATE FUNCTION public.cardinality(bytea[]) RETURNS int LANGUAGE sql AS 'SELECT 1/0';
        CREATE FUNCTION public.unnest(bytea[]) RETURNS SETOF bytea LANGUAGE sql AS 'SELECT NULL::bytea WHERE 1/0 = 1';
        CREATE FUNCTION public.times(numeric, integer) RETURNS numeric LANGUAGE sql AS 'SELECT 1/0::numeric';
        CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = numeric, RIGHTARG = integer);
        CREATE FUNCTION public.array_replace(bytea[], bytea, bytea) RETURNS bytea[] LANGUAGE sql AS 'SELECT NULL::bytea[]';
        CREATE FUNCTION public.json_build_array(text, smallint, bigint, bigint, bigint, bigint) RETURNS json
            LANGUAGE sql AS 'SELECT NULL::json';
        CREATE FUNCTION public.has(text[], text[]) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE OPERATOR public.@> (FUNCTION = public.has, LEFTARG = text[], RIGHTARG = text[])";
    connect(&server).await.batch_execute(&others.replace("1/0::text", "(1/0)::text")).await.unwrap();
    contract::attempt_records(async || new_two(&server).await).await;
    let [store, _] = new_two(&server).await;
    assert_eq!(store.prune().await.unwrap(), 0);
    clients(async || new_two(&server).await).await;
    contract::factor_store(async || new_two(&server).await).await;
    contract::usage_store(async || new_two(&server).await).await;
    contract::tokens_in_one_step(async || new_two(&server).await).await;
    assert!(errors(&server).iter().all(|line| line.contains("refresh_families_pkey")), "{:#?}", errors(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_without_a_pool_does() {
    let Some(server) = Postgres::start("postgres-one") else { return };
    let make = async || {
        let name = new_name();
        let open = async || {
            let builder = PostgresStore::builder(PostgresClients::one(connect(&server).await)).schema(&name);
            builder.migrate().await.unwrap();
            builder.deadline(Duration::from_secs(30)).open().await.unwrap()
        };
        [open().await, open().await]
    };
    contract::one_time_values(make).await;
    contract::tokens_in_one_step(make).await;
    clients(make).await;
    users(make).await;
    contract::factor_store(make).await;
    contract::usage_store(make).await;
}
