//! The design that most stores of refresh tokens have, to compare with: a row for each token that ever was.

use super::fill::{FACTOR, FIRST, SCATTERED};
use super::own::{Script, draw_digest};
use super::server::{SCHEMA, Server};

/// Tables of as many families, each with the token of its login.
pub async fn fill(server: &Server, families: u64) {
    let scattered = format!("(number * {FACTOR} % {SCATTERED})");
    let digest =
        format!("int8send({scattered}) || int8send({scattered}) || int8send({scattered}) || int8send({scattered})");
    let script = format!(
        "DROP SCHEMA IF EXISTS by_token CASCADE;
        CREATE SCHEMA by_token;
        CREATE TABLE by_token.tokens (digest bytea NOT NULL, family bytea NOT NULL, issued bigint NOT NULL, used bigint, salt bytea);
        INSERT INTO by_token.tokens
            SELECT {digest}, convert_to(({FIRST} + {scattered})::text, 'UTF8'), number, NULL, NULL
            FROM generate_series(0::bigint, {last}) AS number;
        ALTER TABLE by_token.tokens ADD PRIMARY KEY (digest);
        CREATE INDEX ON by_token.tokens (family);",
        last = families - 1,
    );
    server.client.batch_execute(&script).await.unwrap();
    server.client.batch_execute("VACUUM ANALYZE by_token.tokens").await.unwrap();
}

pub async fn remove(server: &Server) {
    server.client.batch_execute("DROP SCHEMA by_token CASCADE").await.unwrap();
}

/// A refresh: looks the token up with its family, marks it as used if it is not yet, and inserts its successor, in two statements as
/// those of the store. Each family can be refreshed once.
pub fn script(drawn: Script) -> Script {
    let text = format!(
        "{}SELECT subject, client, realm, scope, audience, grant_type, methods, authenticated_at, credential_version, expires, used,
            salt, ended IS NOT NULL AS is_ended
        FROM by_token.tokens JOIN {SCHEMA}.refresh_families ON id = family
        WHERE digest = int8send(:scattered) || int8send(:scattered) || int8send(:scattered) || int8send(:scattered) \\gset seen_
        WITH spent AS (
            UPDATE by_token.tokens SET used = 1900000000000, salt = int8send(:one) || int8send(:other) || int8send(:one) || int8send(:other)
            WHERE digest = int8send(:scattered) || int8send(:scattered) || int8send(:scattered) || int8send(:scattered)
            AND used IS NULL
            AND NOT EXISTS (SELECT FROM {SCHEMA}.refresh_families WHERE id = family AND ended IS NOT NULL)
            RETURNING family)
        INSERT INTO by_token.tokens
            SELECT int8send(:one) || int8send(:other) || int8send(:one) || int8send(:other), family, 1900000000000, NULL, NULL
            FROM spent RETURNING true;\n",
        draw_digest()
    );
    drawn.then(Script::of(text))
}
