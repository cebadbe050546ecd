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
    settings = "SELECT pg_catalog.current_setting('synchronous_commit'), pg_catalog.current_setting('fsync'),
            pg_catalog.current_setting('synchronous_standby_names'),
            (SELECT count(*) FROM pg_catalog.pg_stat_replication),
            (SELECT pg_catalog.string_agg(relname::text, ', ' ORDER BY relname) FROM pg_catalog.pg_class
                WHERE relkind = 'r' AND relpersistence = 'u' AND relnamespace = (
                    SELECT relnamespace FROM pg_catalog.pg_class
                    WHERE oid = (SELECT tableoid FROM {schema}.schema_version)))";

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

    put_client = "WITH done AS (
            INSERT INTO {schema}.clients (id, registration, origins) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET registration = excluded.registration, origins = excluded.origins RETURNING 1)
        SELECT count(*) FROM done";
    /// Only in the place of the registration that was seen.
    change_client = "WITH done AS (
            UPDATE {schema}.clients SET registration = $3, origins = $4 WHERE id = $1 AND registration = $2 RETURNING 1)
        SELECT count(*) FROM done";
    enable_client = "WITH done AS (UPDATE {schema}.clients SET is_enabled = $2 WHERE id = $1 RETURNING 1)
        SELECT count(*) FROM done";
    remove_client = "WITH done AS (DELETE FROM {schema}.clients WHERE id = $1 RETURNING 1) SELECT count(*) FROM done";
    find_client = "SELECT id, registration FROM {schema}.clients WHERE id = $1";
    find_enabled_client = "SELECT id, registration FROM {schema}.clients WHERE id = $1 AND is_enabled";
    client_ids = "SELECT id FROM {schema}.clients WHERE id > $1 ORDER BY id LIMIT $2";
    clients = "SELECT id, registration, is_enabled FROM {schema}.clients WHERE id > $1 ORDER BY id LIMIT $2";
    allows_origin = "SELECT EXISTS (
        SELECT FROM {schema}.clients WHERE is_enabled AND origins OPERATOR(pg_catalog.@>) ARRAY[$1])";

    add_user = "SELECT {schema}.add_user($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    /// Each column says its table: one of a later version may have the same name in the other one.
    find_user = "SELECT entry.id, entry.password_hash, entry.status, entry.code, entry.description,
            entry.credential_version
        FROM {schema}.user_names AS login JOIN {schema}.users AS entry ON entry.id = login.user_id
        WHERE login.directory = $1 AND login.name = $2";
    find_user_by_id = "SELECT id, password_hash, status, code, description, credential_version
        FROM {schema}.users WHERE id = $1 AND realm IS NOT DISTINCT FROM $2";
    save_hash = "WITH done AS (
            UPDATE {schema}.users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING 1)
        SELECT count(*) FROM done";
    set_user_status = "WITH done AS (
            UPDATE {schema}.users SET status = $2, code = $3, description = $4 WHERE id = $1 RETURNING 1)
        SELECT count(*) FROM done";
    /// The realm of a user never changes: a user of this id in another realm is another user.
    realm_of_user = "SELECT realm FROM {schema}.users WHERE id = $1";
    set_password_hash = "WITH changed AS MATERIALIZED (
            UPDATE {schema}.users SET password_hash = $4, credential_version = credential_version + 1
            WHERE id = $1 AND realm IS NOT DISTINCT FROM $2 RETURNING 1)
        SELECT {schema}.end_logins_of($2, $3) FROM changed";
    end_logins = "WITH changed AS MATERIALIZED (
            UPDATE {schema}.users SET credential_version = credential_version + 1
            WHERE id = $1 AND realm IS NOT DISTINCT FROM $2 RETURNING 1)
        SELECT {schema}.end_logins_of($2, $3) FROM changed";
    remove_user = "WITH removed AS MATERIALIZED (
            DELETE FROM {schema}.users WHERE id = $1 AND realm IS NOT DISTINCT FROM $2 RETURNING 1)
        SELECT {schema}.end_logins_of($2, $3), {schema}.remove_factors_of($2, $3) FROM removed";
    /// A row for each name.
    users = "SELECT entry.id, entry.realm, entry.status, entry.code, entry.description,
            entry.password_hash IS NOT NULL, login.name
        FROM (SELECT * FROM {schema}.users WHERE id > $1 ORDER BY id LIMIT $2) AS entry
        LEFT JOIN {schema}.user_names AS login ON login.user_id = entry.id ORDER BY entry.id, login.name";
    change_user_names = "SELECT {schema}.change_user_names($1, $2, $3, $4)";

    factors_of = "SELECT id, name, sealed, created, is_active, last_step FROM {schema}.authenticators
        WHERE subject = $1 AND realm IS NOT DISTINCT FROM $2 ORDER BY number";
    change_factors = "SELECT {schema}.change_factors($1, $2, $3, $4, $5, $6)";
    enrol_factor = "SELECT {schema}.enrol_factor($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    remove_factors_of = "SELECT {schema}.remove_factors_of($1, $2)";
    spend_step = "WITH done AS (
            UPDATE {schema}.authenticators SET last_step = $4
            WHERE id = $3 AND subject = $1 AND realm IS NOT DISTINCT FROM $2 AND (last_step IS NULL OR last_step < $4)
            RETURNING 1)
        SELECT count(*) FROM done";
    swap_recovery_code = "WITH done AS (
            UPDATE {schema}.authenticators SET codes = pg_catalog.array_replace(codes, $3, $4)
            WHERE subject = $1 AND realm IS NOT DISTINCT FROM $2 AND is_active AND $3 = ANY (codes) RETURNING 1)
        SELECT count(*) FROM done";

    record_usage = "SELECT {schema}.record_usage($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    usage_report = "SELECT * FROM {schema}.usage_report($1, $2)";
    /// The rows of a client that come after a user, or the first ones, in the order of realm (none first), subject and way. Between a
    /// text and the same with the least character behind it there is none. No function: the plan must know how few rows are wanted.
    usage_page = "SELECT place.realm, kept.subject, kept.way::bigint, kept.first, kept.last, kept.refreshed, kept.families_end
        FROM {schema}.usage_places AS place CROSS JOIN LATERAL (
            SELECT * FROM {schema}.usage_rows AS own WHERE own.place = place.number
            AND own.subject >= CASE WHEN place.realm IS NOT DISTINCT FROM $2
                THEN coalesce($3 || E'\\x01', '') ELSE '' END
            ORDER BY own.subject, own.way LIMIT $4) AS kept
        WHERE place.client = $1 AND ($3 IS NULL OR $2 IS NULL OR place.realm >= $2)
        ORDER BY place.realm NULLS FIRST, kept.subject, kept.way LIMIT $4";
    /// There are few places, and an index leads to the rows of a subject in each.
    forget_usage = "WITH mine AS (
            SELECT place, subject, way FROM {schema}.usage_rows
            WHERE place = ANY (ARRAY(SELECT number FROM {schema}.usage_places)) AND subject = $1
            ORDER BY place, subject, way FOR UPDATE),
        done AS (
            DELETE FROM {schema}.usage_rows WHERE (place, subject, way) IN (SELECT place, subject, way FROM mine)
            RETURNING 1)
        SELECT count(*) FROM done";

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
    /// Enrolments that were not confirmed within a day, with their recovery codes.
    prune_waiting_factors = "WITH due AS (
            SELECT id FROM {schema}.authenticators
            WHERE NOT is_active AND created <= {schema}.statement_time() - 86400000 LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.authenticators WHERE id IN (SELECT id FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    prune_usage_counts = "WITH due AS (
            SELECT day, place, way, writer FROM {schema}.usage_counts WHERE day < $1 LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (
            DELETE FROM {schema}.usage_counts
            WHERE (day, place, way, writer) IN (SELECT day, place, way, writer FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    /// The tables that no index leads through to what is due.
    attempt_records = "{schema}.attempt_records";
    usage_rows = "{schema}.usage_rows";
    pages_of = "SELECT pg_catalog.pg_relation_size(pg_catalog.to_regclass($1))
        / pg_catalog.current_setting('block_size')::bigint";
    /// In 512 pages of the table from this one on: what no index finds is looked for in steps that end.
    prune_records = "WITH due AS (
            SELECT key FROM {schema}.attempt_records
            WHERE ctid >= pg_catalog.format('(%s,0)', $1)::tid AND ctid < pg_catalog.format('(%s,0)', $1 + 512)::tid
            AND forgotten_at <= {schema}.statement_time() LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (DELETE FROM {schema}.attempt_records WHERE key IN (SELECT key FROM due) RETURNING 1)
        SELECT count(*) FROM done";
    /// As [`Usage::is_over`](crate::usage::Usage::is_over) says.
    prune_usage_rows = "WITH due AS (
            SELECT place, subject, way FROM {schema}.usage_rows
            WHERE ctid >= pg_catalog.format('(%s,0)', $1)::tid AND ctid < pg_catalog.format('(%s,0)', $1 + 512)::tid
            AND greatest(last, refreshed, families_end) < $2 LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (
            DELETE FROM {schema}.usage_rows WHERE (place, subject, way) IN (SELECT place, subject, way FROM due)
            RETURNING 1)
        SELECT count(*) FROM done";
}
