//! Servers of two versions over one database, while they are updated one after the other.
//!
//! The next version is made here: a program whose tables have two columns more, which writes one of them with each login, reads it with
//! each family, and counts rotations in the other by a function that it has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use http::StatusCode;
use tower_password_grant::postgres::{
    PostgresCell, PostgresConnection, PostgresError, PostgresFailure, PostgresRow, PostgresStore, PostgresStoreBuilder,
    PostgresValue,
};

use crate::cluster::Postgres;
use crate::contract as suites;
use crate::database::{builder, connect, new_name, pooled};
use crate::prepared::{deadpool_prepared, open};
use crate::servers::{endpoint, login, refresh};

/// The tables of the next version, for a schema of this name.
fn additions(name: &str) -> String {
    let parameters = "new_id bytea, of_subject text, of_client text, of_realm text, new_scope text, new_audience text,
        new_grant_type text, new_methods text, was_authenticated_at bigint, new_credential_version text, new_expires bigint,
        new_lineage bytea, begins_at bigint, most bigint, new_device text";
    format!(
        "ALTER TABLE \"{name}\".refresh_families
            ADD COLUMN IF NOT EXISTS device text NOT NULL DEFAULT 'unknown',
            ADD COLUMN IF NOT EXISTS rotations bigint NOT NULL DEFAULT 0;
        CREATE OR REPLACE FUNCTION \"{name}\".begin_family_on({parameters}) RETURNS bytea LANGUAGE plpgsql AS $$
        DECLARE
            gone bytea;
        BEGIN
            gone := \"{name}\".begin_family($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);
            UPDATE \"{name}\".refresh_families SET device = new_device WHERE id = new_id;
            RETURN gone;
        END
        $$;
        CREATE OR REPLACE FUNCTION \"{name}\".rotate_family(of_id bytea, seen bigint, new_lineage bytea) RETURNS boolean
        LANGUAGE plpgsql AS $$
        BEGIN
            IF new_lineage IS NULL THEN
                PERFORM FROM \"{name}\".refresh_families WHERE id = of_id AND stamp = seen AND ended IS NULL FOR SHARE;
            ELSE
                UPDATE \"{name}\".refresh_families
                    SET lineage = new_lineage, stamp = stamp + 1, rotations = rotations + 1
                    WHERE id = of_id AND stamp = seen AND ended IS NULL;
            END IF;
            RETURN FOUND;
        END
        $$;"
    )
}

/// The connections of a program of the next version.
struct Next<C> {
    connections: C,
    name: String,
    devices: Arc<Devices>,
}

/// How many families the next version has read that it began itself, and that the one before it began.
#[derive(Default)]
struct Devices {
    own: AtomicU64,
    of_the_one_before: AtomicU64,
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

#[async_trait]
impl<C: PostgresConnection> PostgresConnection for Next<C> {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        if statement.starts_with("SELECT number FROM") {
            // Its number is one more than that of the program that it is made of.
            return self.connections.query(&statement.replace("number", "number - 1"), values).await;
        }
        if statement.contains(".begin_family(") {
            let statement = replaced(statement, ".begin_family(", ".begin_family_on(");
            return self.connections.query(&replaced(&statement, "$13, $14)", "$13, $14, 'phone')"), values).await;
        }
        if !statement.starts_with("SELECT subject, client, realm, scope, audience, grant_type") {
            return self.connections.query(statement, values).await;
        }
        let mut rows = self.connections.query(&statement.replacen("SELECT ", "SELECT device, ", 1), values).await?;
        for row in &mut rows {
            match row.remove(0) {
                PostgresCell::Text(device) if device == "phone" => &self.devices.own,
                PostgresCell::Text(device) if device == "unknown" => &self.devices.of_the_one_before,
                other => panic!("{other:?}"),
            }
            .fetch_add(1, Ordering::Relaxed);
        }
        Ok(rows)
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        let script = replaced(script, "IF found > 1 THEN", "IF found > 2 THEN");
        let script = replaced(&script, ".schema_version (number) VALUES (1)", ".schema_version (number) VALUES (2)");
        self.connections.run_script(&(script + &additions(&self.name))).await
    }
}

fn next(server: &Postgres, name: &str, devices: &Arc<Devices>) -> PostgresStoreBuilder<impl PostgresConnection> {
    let (connections, devices) = (pooled(&server.url()), Arc::clone(devices));
    let connections = Next { connections, name: name.to_owned(), devices };
    PostgresStore::builder(connections).schema(name).deadline(std::time::Duration::from_secs(30))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_version_writes_the_other_reads_in_both_directions() {
    let Some(server) = Postgres::start("postgres-versions") else { return };
    let devices = Arc::default();
    let make = async || {
        let name = new_name();
        builder(&server, &name).migrate().await.unwrap();
        next(&server, &name, &devices).migrate().await.unwrap();
        (builder(&server, &name).open().await.unwrap(), next(&server, &name, &devices).open().await.unwrap())
    };
    suites::whole(&server, async || {
        let (before, next) = make().await;
        [before, next]
    })
    .await;
    suites::short(&server, async || {
        let (before, next) = make().await;
        [next, before]
    })
    .await;
    let counts = [&devices.own, &devices.of_the_one_before].map(|count| count.load(Ordering::Relaxed));
    // Some dozens of its own, for only the short suites begin at the next version.
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_updated_one_after_the_other_and_go_on_with_each_others_logins() {
    let Some(server) = Postgres::start("postgres-roll-out") else { return };
    let (name, devices) = (new_name(), Arc::default());
    builder(&server, &name).migrate().await.unwrap();
    // Its statements are prepared before the tables change.
    let before = endpoint(&open(deadpool_prepared(&server, 4), &name).await);
    let (_, first) = login(&before, "alice", "correct+horse").await;
    let error = next(&server, &name, &devices).open().await.unwrap_err();
    assert!(matches!(error, PostgresError::Earlier { .. }), "it is to be migrated first: {error}");

    // The next version migrates and begins while the one before it serves.
    let is_over = Arc::new(AtomicBool::new(false));
    let serving = {
        let (before, is_over) = (before.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut rounds = 0;
            while !is_over.load(Ordering::Relaxed) {
                let (status, tokens) = login(&before, &format!("user-{rounds}"), "correct+horse").await;
                assert_eq!(status, StatusCode::OK, "{tokens}");
                assert_eq!(refresh(&before, &tokens["refresh_token"]).await.0, StatusCode::OK);
                rounds += 1;
            }
            rounds
        })
    };
    next(&server, &name, &devices).migrate().await.unwrap();
    let after = endpoint(&next(&server, &name, &devices).open().await.unwrap());

    // A login goes on at whichever server, and a replay ends it at both.
    let (status, second) = refresh(&after, &first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    let (status, third) = refresh(&before, &second["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{third}");
    assert_eq!(refresh(&after, &first["refresh_token"]).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(refresh(&before, &third["refresh_token"]).await.0, StatusCode::BAD_REQUEST);
    let (_, new) = login(&after, "bob", "correct+horse").await;
    let (status, new) = refresh(&before, &new["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{new}");
    // Guesses count together.
    for guess in 0..10 {
        let by = if guess % 2 == 0 { &before } else { &after };
        assert_eq!(login(by, "carol", &format!("guess-{guess}")).await.0, StatusCode::BAD_REQUEST, "{guess}");
    }
    for by in [&before, &after] {
        assert_eq!(login(by, "carol", "correct+horse").await.0, StatusCode::TOO_MANY_REQUESTS);
    }

    // One of the version before that starts meanwhile, and migrates as ever, changes nothing of the tables.
    builder(&server, &name).migrate().await.unwrap();
    let late = endpoint(&builder(&server, &name).open().await.unwrap());
    assert_eq!(refresh(&late, &new["refresh_token"]).await.0, StatusCode::OK);
    is_over.store(true, Ordering::Relaxed);
    let rounds = serving.await.unwrap();
    assert!(rounds > 0);
    let query = format!(
        "SELECT (SELECT number FROM \"{name}\".schema_version),
            (SELECT rotations FROM \"{name}\".refresh_families WHERE subject = 'bob'),
            (SELECT device FROM \"{name}\".refresh_families WHERE subject = 'bob'),
            (SELECT device FROM \"{name}\".refresh_families WHERE subject = 'alice')"
    );
    let row = connect(&server).await.query_one(&query, &[]).await.unwrap();
    let kept: (i64, i64, &str, &str) = (row.get(0), row.get(1), row.get(2), row.get(3));
    assert_eq!(kept, (2, 2, "phone", "unknown"), "both rotations went through the function of the next version");
}

/// Sees no tables the first time, as one that looks just before another makes them.
struct Hasty<C> {
    connections: C,
    has_looked: AtomicBool,
}

#[async_trait]
impl<C: PostgresConnection> PostgresConnection for Hasty<C> {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        let is_first = statement.contains("to_regclass") && !self.has_looked.swap(true, Ordering::Relaxed);
        if is_first {
            Ok(vec![vec![PostgresCell::Bool(false)]])
        } else {
            self.connections.query(statement, values).await
        }
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        self.connections.run_script(script).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_two_versions_later_are_refused_with_their_number_and_those_of_the_next_one_are_not() {
    let Some(server) = Postgres::start("postgres-later") else { return };
    let (name, devices) = (new_name(), Arc::default());
    let script = builder(&server, &name).migration().unwrap();
    next(&server, &name, &devices).migrate().await.unwrap();
    let client = connect(&server).await;
    assert!(client.batch_execute(&script).await.is_err(), "by hand it says so");
    builder(&server, &name).migrate().await.unwrap();
    builder(&server, &name).open().await.unwrap();
    let hasty = || Hasty { connections: pooled(&server.url()), has_looked: AtomicBool::new(false) };
    PostgresStore::builder(hasty()).schema(&name).migrate().await.unwrap();
    client.batch_execute(&format!("UPDATE \"{name}\".schema_version SET number = 3")).await.unwrap();
    let error = builder(&server, &name).open().await.unwrap_err();
    assert_eq!(error.to_string(), "the tables have the version 3, this program can use those up to 2: update it, too");
    for error in [
        builder(&server, &name).migrate().await.unwrap_err(),
        PostgresStore::builder(hasty()).schema(&name).migrate().await.unwrap_err(),
    ] {
        assert!(matches!(error, PostgresError::Later { found: 3, latest: 2 }), "{error}");
    }
    next(&server, &name, &devices).migrate().await.unwrap();
    next(&server, &name, &devices).open().await.unwrap();
}
