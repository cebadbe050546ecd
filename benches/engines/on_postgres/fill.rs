//! Fills the tables: the first row of each is written by the store, the others are like it.

use std::time::{Instant, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::store::{AccessTokenStore, FamilyId, RefreshFamily, SecretDigest};
use tower_password_grant::testing::begin_family;

use super::server::{SCHEMA, Server, open_pooled};
use crate::clients::{APP, MONTH, SCOPE, record};
use crate::logins::{Counting, limiter};
use crate::names::{Filled, Names, Random, token};

/// Numbers are scattered by these, so that neighbours of a table lie apart in its indexes: the largest prime number below 2^52, and
/// a factor with which the number of no family overflows.
pub const SCATTERED: u64 = 4_503_599_627_370_449;
pub const FACTOR: u64 = 911_382_323_617;
/// Added to a scattered number, it has sixteen digits, which are an id of sixteen bytes.
pub const FIRST: u64 = 1_000_000_000_000_000;

fn scattered(number: u64) -> u64 {
    number * FACTOR % SCATTERED
}

fn four(first: u64, second: u64) -> SecretDigest {
    let [first, second] = [first, second].map(u64::to_be_bytes);
    let mut bytes = [0; 32];
    bytes
        .chunks_exact_mut(8)
        .zip([first, second, first, second])
        .for_each(|(place, part)| place.copy_from_slice(&part));
    SecretDigest::from_bytes(bytes)
}

pub const NAMES: Names = Names {
    family: |number| {
        let digits = (FIRST + scattered(number)).to_string();
        FamilyId::from_bytes(digits.as_bytes().try_into().unwrap())
    },
    digest: |number| four(scattered(number), scattered(number)),
    new_digest: |random: &mut Random| four(random.below(SCATTERED), random.below(SCATTERED)),
};

/// Makes the tables with so many families, access tokens and records of attempts.
pub async fn fill(server: &Server, families: u64) -> Filled {
    let start = Instant::now();
    server.client.batch_execute(&format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")).await.unwrap();
    let store = open_pooled(&server.url(), 2).await;
    let (app, now) = (ClientId::new(APP).unwrap(), SystemTime::now());
    let id = (NAMES.family)(0);
    let family = RefreshFamily::new(id, "user-0", app, now, now + MONTH).with_scope(SCOPE.parse().unwrap());
    begin_family(&store, family.with_grant_type(Some("password")), &token(0), now).await.unwrap();
    store.insert((NAMES.digest)(0), record("user-0").with_family(Some(id))).await.unwrap();
    Counting::new(limiter(store.clone()).into(), 1, None).login(None).await.unwrap();
    drop(store);
    // Indexes are made at the end: one row after the other would take as long as many runs.
    let indexes = format!(
        "SELECT string_agg(format('DROP INDEX %I.%I', schemaname, indexname), '; ') FROM pg_indexes WHERE schemaname = '{SCHEMA}'
            AND tablename IN ('refresh_families', 'access_tokens') AND indexname NOT LIKE '%_pkey'"
    );
    let drops: String = server.client.query_one(&indexes, &[]).await.unwrap().get(0);
    let keys = [("refresh_families", "id"), ("access_tokens", "digest"), ("attempt_records", "key")];
    let without: String =
        keys.iter().map(|(table, _)| format!("ALTER TABLE {SCHEMA}.{table} DROP CONSTRAINT {table}_pkey;")).collect();
    server.client.batch_execute(&format!("{drops};{without}")).await.unwrap();
    server.client.batch_execute(&rows(families)).await.unwrap();
    for (table, key) in keys {
        let key = format!("ALTER TABLE {SCHEMA}.{table} ADD PRIMARY KEY ({key})");
        server.client.batch_execute(&key).await.unwrap();
    }
    // The other indexes.
    drop(open_pooled(&server.url(), 1).await);
    for (table, _) in keys {
        server.client.batch_execute(&format!("VACUUM ANALYZE {SCHEMA}.{table}")).await.unwrap();
    }
    server.checkpoint().await;
    println!("filled with {families} families in {:.0} s", start.elapsed().as_secs_f64());
    Filled::new(NAMES, families)
}

/// Rows like the first ones.
fn rows(families: u64) -> String {
    let last = families - 1;
    let scattered = format!("(place * {FACTOR} % {SCATTERED})");
    let id = format!("convert_to(({FIRST} + {scattered})::text, 'UTF8')");
    let digest =
        format!("int8send({scattered}) || int8send({scattered}) || int8send({scattered}) || int8send({scattered})");
    format!(
        "INSERT INTO {SCHEMA}.refresh_families (id, subject, client, realm, scope, audience, grant_type, methods, authenticated_at,
            credential_version, expires, lineage)
        SELECT {id}, 'user-' || place, client, realm, scope, audience, grant_type, methods, authenticated_at, credential_version,
            expires + place % 86400000, lineage
        FROM {SCHEMA}.refresh_families, generate_series(1::bigint, {last}) AS series (place);
        INSERT INTO {SCHEMA}.access_tokens (digest, login, subject, client, realm, scope, audience, issued, expires,
            authenticated_at, methods, claims)
        SELECT {digest}, {id}, 'user-' || place, client, realm, scope, audience, issued, expires + {month} + place % 86400000,
            authenticated_at, methods, claims
        FROM {SCHEMA}.access_tokens, generate_series(1::bigint, {last}) AS series (place);
        INSERT INTO {SCHEMA}.attempt_records (key, stamp, record, forgotten_at)
        SELECT int8send({scattered}) || int8send(place), stamp, record, forgotten_at
        FROM (SELECT * FROM {SCHEMA}.attempt_records LIMIT 1) AS first, generate_series(1::bigint, {last}) AS series (place);",
        month = MONTH.as_millis(),
    )
}
