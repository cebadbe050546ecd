//! The statements, with the schema in their names.

/// Makes a value with the text of each, for one schema.
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $text:expr;)*) => {
        /// The text of each statement.
        pub(super) struct Statements {
            $($(#[$meta])* pub(super) $name: String,)*
        }

        impl Statements {
            /// The statements of the tables in this schema, whose name is quoted.
            pub(super) fn of(schema: &str) -> Self {
                Self { $($name: $text.replace("{schema}", schema),)* }
            }
        }
    };
}

statements! {
    /// Asked before the version, which would be an error in the server's log if there were no table.
    has_tables = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    /// The store counts on each statement to see what was done before it, and on every text to be one.
    session = "SELECT pg_catalog.current_setting('transaction_isolation'), pg_catalog.current_setting('server_encoding')";
    version = "SELECT number FROM {schema}.schema_version";

    begin_family = "SELECT {schema}.begin_family($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    /// The access token of the login is kept in the same transaction, after the family.
    begin_with_access_token = "WITH begun AS MATERIALIZED (
            SELECT {schema}.begin_family($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS gone)
        SELECT gone, {schema}.keep_access_token(
            $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27) FROM begun";
    find_family = "SELECT subject, client, realm, scope, audience, grant_type, methods, authenticated_at,
            credential_version, expires, lineage, stamp, ended IS NOT NULL
        FROM {schema}.refresh_families WHERE id = $1";
    rotate_family = "SELECT {schema}.rotate_family($1, $2, $3)";
    rotate_with_access_token = "WITH rotated AS MATERIALIZED (SELECT {schema}.rotate_family($1, $2, $3) AS is_done)
        SELECT CASE WHEN is_done THEN {schema}.keep_access_token(
            $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ELSE false END FROM rotated";
    end_family = "WITH done AS (
            UPDATE {schema}.refresh_families SET ended = {schema}.statement_time() WHERE id = $1 AND ended IS NULL
            RETURNING 1)
        SELECT count(*) FROM done";
    /// At most a thousand rows, in the order of their keys.
    end_families_of = "WITH mine AS (
            SELECT id FROM {schema}.refresh_families
            WHERE subject = $1 AND realm IS NOT DISTINCT FROM $2 AND ended IS NULL ORDER BY id
            LIMIT 1000 FOR UPDATE),
        done AS (
            UPDATE {schema}.refresh_families AS family SET ended = {schema}.statement_time() FROM mine
            WHERE family.id = mine.id AND ended IS NULL RETURNING 1)
        SELECT count(*) FROM done";

    keep_access_token = "SELECT {schema}.keep_access_token($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    /// What ended a family may have been cut off before it came to the access tokens.
    find_access_token = "SELECT login, subject, client, realm, scope, audience, issued, expires, authenticated_at, methods,
            claims
        FROM {schema}.access_tokens AS token WHERE digest = $1
        AND NOT EXISTS (SELECT FROM {schema}.refresh_families WHERE id = token.login AND ended IS NOT NULL)";
    remove_access_token = "WITH done AS (DELETE FROM {schema}.access_tokens WHERE digest = $1 RETURNING 1)
        SELECT count(*) FROM done";
    remove_access_tokens_of_family = "WITH mine AS (
            SELECT digest FROM {schema}.access_tokens WHERE login = $1 ORDER BY digest LIMIT 1000 FOR UPDATE),
        done AS (DELETE FROM {schema}.access_tokens WHERE digest IN (SELECT digest FROM mine) RETURNING 1)
        SELECT count(*) FROM done";
    remove_access_tokens_of_subject = "WITH mine AS (
            SELECT digest FROM {schema}.access_tokens WHERE subject = $1 AND realm IS NOT DISTINCT FROM $2
            ORDER BY digest LIMIT 1000 FOR UPDATE),
        done AS (DELETE FROM {schema}.access_tokens WHERE digest IN (SELECT digest FROM mine) RETURNING 1)
        SELECT count(*) FROM done";

    /// A value stays spent until its row is removed, some time after its end.
    spend = "WITH done AS (
            INSERT INTO {schema}.spent_values (digest, expires) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1)
        SELECT count(*) FROM done";
    is_spent = "SELECT count(*) FROM {schema}.spent_values WHERE digest = $1";

    load_records = "SELECT {schema}.present_time(), stamp, record
        FROM pg_catalog.unnest($1) WITH ORDINALITY AS asked (key, place)
        LEFT JOIN {schema}.attempt_records USING (key) ORDER BY place";
    swap_records = "SELECT {schema}.swap_attempt_records($1, $2, $3, $4, $5)";

    /// What is due, at most a thousand rows; those that another call is at work on are left to it.
    prune_access_tokens = "WITH due AS (
            SELECT digest FROM {schema}.access_tokens WHERE expires <= {schema}.statement_time()
            LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.access_tokens WHERE digest IN (SELECT digest FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    /// Those of families that ended ten minutes ago, which nothing finds any more.
    prune_hidden_tokens = "WITH due AS (
            SELECT digest FROM {schema}.access_tokens WHERE login IN (
                SELECT id FROM {schema}.refresh_families AS family WHERE ended <= {schema}.statement_time() - 600000
                AND EXISTS (SELECT FROM {schema}.access_tokens WHERE login = family.id)
                ORDER BY ended LIMIT 100)
            LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.access_tokens WHERE digest IN (SELECT digest FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    /// An ended family stays for ten minutes, and as long as it hides access tokens.
    prune_ended_families = "WITH due AS (
            SELECT id FROM {schema}.refresh_families AS family WHERE ended <= {schema}.statement_time() - 600000
            AND NOT EXISTS (SELECT FROM {schema}.access_tokens WHERE login = family.id)
            LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.refresh_families WHERE id IN (SELECT id FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    prune_families = "WITH due AS (
            SELECT id FROM {schema}.refresh_families WHERE expires <= {schema}.statement_time() AND ended IS NULL
            LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.refresh_families WHERE id IN (SELECT id FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    /// An hour after their end, for servers whose clocks are behind that of the database.
    prune_spent_values = "WITH due AS (
            SELECT digest FROM {schema}.spent_values WHERE expires <= {schema}.statement_time() - 3600000
            LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.spent_values WHERE digest IN (SELECT digest FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    record_pages = "SELECT pg_catalog.pg_relation_size(pg_catalog.to_regclass($1))
        / pg_catalog.current_setting('block_size')::bigint";
    /// In 512 pages of the table from this one on: what no index finds is looked for in steps that end.
    prune_records = "WITH due AS (
            SELECT key FROM {schema}.attempt_records
            WHERE ctid >= pg_catalog.format('(%s,0)', $1)::tid AND ctid < pg_catalog.format('(%s,0)', $1 + 512)::tid
            AND forgotten_at <= {schema}.statement_time() LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.attempt_records WHERE key IN (SELECT key FROM due) RETURNING 1)
        SELECT count(*) FROM done";
}
