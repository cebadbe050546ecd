//! What the settings of a server promise less than they could is told when a store is opened.

use tower_password_grant::postgres::PostgresWarning::{self, LateCommit, NoSync, Unlogged};

use crate::cluster::Postgres;
use crate::database::{builder, connect, make_two, new_name};

#[tokio::test(flavor = "multi_thread")]
async fn late_commits_and_tables_without_a_log_are_told() {
    let Some(server) = Postgres::start("postgres-settings") else { return };
    let name = new_name();
    let [store, _] = make_two(&server, &name).await;
    let told =
        async || -> Vec<PostgresWarning> { builder(&server, &name).open().await.unwrap().check().await.unwrap() };
    // The servers of these tests need not outlive their machine.
    assert_eq!(store.check().await.unwrap(), [NoSync]);
    let client = connect(&server).await;
    client.batch_execute("ALTER ROLE postgres SET synchronous_commit = off").await.unwrap();
    assert_eq!(told().await, [LateCommit("off".to_owned()), NoSync]);
    client.batch_execute("ALTER ROLE postgres SET synchronous_commit = on").await.unwrap();
    client.batch_execute(&format!("ALTER TABLE \"{name}\".spent_values SET UNLOGGED")).await.unwrap();
    client.batch_execute("CREATE UNLOGGED TABLE of_another_schema (id bigint)").await.unwrap();
    assert_eq!(told().await, [NoSync, Unlogged("spent_values".to_owned())]);
}

/// As a role that may do no more than a store needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_poor_role_sees_them_too() {
    let Some(server) = Postgres::start("postgres-settings-poor") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    let script = format!(
        "CREATE ROLE poor LOGIN; GRANT USAGE ON SCHEMA \"{name}\" TO poor;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{name}\" TO poor"
    );
    connect(&server).await.batch_execute(&script).await.unwrap();
    let url = server.url().replace("postgres://postgres@", "postgres://poor@");
    let store = crate::database::builder_over(&url, &name).open().await.unwrap();
    assert_eq!(store.check().await.unwrap(), [NoSync]);
}
