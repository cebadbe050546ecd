//! The suites that every store is held to.

use std::time::Duration;

use tower_password_grant::limiter::{SharedKey, StoredLimiter};
use tower_password_grant::postgres::{PostgresClients, PostgresStore};
use tower_password_grant::testing::contract;

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, new_name, new_two};

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
    let key = SharedKey::new([7; 32]).unwrap();
    let make = async || new_two(&server).await.map(|store| StoredLimiter::new(store, &key));
    contract::attempt_limiter(make).await;
    contract::factor_limiter(make).await;
    contract::limiter_operator(make).await;
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_put_into_the_path_of_names_is_not_called() {
    let Some(server) = Postgres::start("postgres-path") else { return };
    let others =
        "CREATE FUNCTION public.concat_ws(text, text, text, text) RETURNS text LANGUAGE sql AS 'SELECT 1/0::text';
        CREATE FUNCTION public.cardinality(bytea[]) RETURNS int LANGUAGE sql AS 'SELECT 1/0';
        CREATE FUNCTION public.unnest(bytea[]) RETURNS SETOF bytea LANGUAGE sql AS 'SELECT NULL::bytea WHERE 1/0 = 1';
        CREATE FUNCTION public.times(numeric, integer) RETURNS numeric LANGUAGE sql AS 'SELECT 1/0::numeric';
        CREATE OPERATOR public.* (FUNCTION = public.times, LEFTARG = numeric, RIGHTARG = integer)";
    connect(&server).await.batch_execute(&others.replace("1/0::text", "(1/0)::text")).await.unwrap();
    contract::attempt_records(async || new_two(&server).await).await;
    let [store, _] = new_two(&server).await;
    assert_eq!(store.prune().await.unwrap(), 0);
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
}
