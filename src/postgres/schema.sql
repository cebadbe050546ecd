-- One script is one transaction. Instants are whole milliseconds since 1970. Tokens, secrets and names of attempts are digests.
-- No index holds a column that changes often, and pages have room, so that a new version of a row stays in its page.

-- No other function, operator or table of the same name is taken for what is meant here.
SET LOCAL search_path = pg_catalog, pg_temp;
-- What waits for a lock on a table holds up all that come after it.
SET LOCAL lock_timeout = '3s';
-- An index over many rows takes longer than a request may.
SET LOCAL statement_timeout = 0;
-- Two that migrate at once do so one after the other.
SELECT pg_advisory_xact_lock(5930117436204512279);

DO $$
BEGIN
    -- A role that may not make schemas can use one that was made for it.
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {name}) THEN
        CREATE SCHEMA {schema};
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS {schema}.schema_version (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    number bigint NOT NULL
);

DO $$
DECLARE
    found bigint;
BEGIN
    SELECT number INTO found FROM {schema}.schema_version;
    IF found > {version} THEN
        RAISE EXCEPTION 'the tables have the version %, which a later program made', found;
    END IF;
END
$$;

-- `CREATE INDEX IF NOT EXISTS` would lock out all that write until the end, though the index is there. So each is looked for first.

CREATE TABLE IF NOT EXISTS {schema}.refresh_families (
    id bytea PRIMARY KEY,
    -- Of the logins of a subject at a client, the newest has the highest.
    begun bigint GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL,
    client text NOT NULL,
    realm text,
    scope text NOT NULL,
    audience text,
    grant_type text,
    -- In which ways the user was authenticated: names with single spaces between them.
    methods text NOT NULL,
    authenticated_at bigint NOT NULL,
    credential_version text,
    expires bigint NOT NULL,
    -- Which token counts, with a version in front.
    lineage bytea NOT NULL,
    -- The number of changes of the lineage.
    stamp bigint NOT NULL DEFAULT 0,
    -- When the family was ended.
    ended bigint
) WITH (fillfactor = 70);
-- A rotation changes no column of these.
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'refresh_families_by_login')) IS NULL THEN
        CREATE INDEX refresh_families_by_login ON {schema}.refresh_families (subject, client, begun) WHERE ended IS NULL;
    END IF;
END $$;
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'refresh_families_by_end')) IS NULL THEN
        CREATE INDEX refresh_families_by_end ON {schema}.refresh_families (ended) WHERE ended IS NOT NULL;
    END IF;
END $$;
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'refresh_families_by_expires')) IS NULL THEN
        CREATE INDEX refresh_families_by_expires ON {schema}.refresh_families (expires);
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS {schema}.access_tokens (
    digest bytea PRIMARY KEY,
    -- Whose tokens are bounded together: the 16 bytes of a family, or a digest of 32 bytes of realm, subject and client.
    login bytea NOT NULL,
    -- Of the tokens of a login, the newest has the highest.
    number bigint GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL,
    client text NOT NULL,
    realm text,
    scope text NOT NULL,
    -- A list in JSON.
    audience text NOT NULL,
    issued bigint NOT NULL,
    expires bigint NOT NULL,
    authenticated_at bigint,
    methods text NOT NULL,
    claims text NOT NULL
);
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'access_tokens_by_login')) IS NULL THEN
        CREATE INDEX access_tokens_by_login ON {schema}.access_tokens (login, number);
    END IF;
END $$;
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'access_tokens_by_subject')) IS NULL THEN
        CREATE INDEX access_tokens_by_subject ON {schema}.access_tokens (subject);
    END IF;
END $$;
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'access_tokens_by_expires')) IS NULL THEN
        CREATE INDEX access_tokens_by_expires ON {schema}.access_tokens (expires);
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS {schema}.spent_values (
    digest bytea PRIMARY KEY,
    expires bigint NOT NULL
);
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'spent_values_by_expires')) IS NULL THEN
        CREATE INDEX spent_values_by_expires ON {schema}.spent_values (expires);
    END IF;
END $$;

-- What a limiter counts. The time at the end changes with each swap, so it has no index: the pruning reads the table.
CREATE TABLE IF NOT EXISTS {schema}.attempt_records (
    key bytea PRIMARY KEY,
    stamp bytea NOT NULL,
    record bytea NOT NULL,
    forgotten_at bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS {schema}.clients (
    id text COLLATE "C" PRIMARY KEY,
    -- With a version in front.
    registration text NOT NULL,
    -- The origins of the registration.
    origins text[] NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true
);
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'clients_by_origin')) IS NULL THEN
        CREATE INDEX clients_by_origin ON {schema}.clients USING gin (origins) WHERE is_enabled;
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS {schema}.users (
    id text COLLATE "C" PRIMARY KEY,
    realm text,
    password_hash text,
    status text NOT NULL,
    -- Of a status of the application's own.
    code text,
    description text,
    credential_version bigint NOT NULL
) WITH (fillfactor = 90);

-- Login names and aliases, in their canonical form. The directory is the realm behind a `+`, or `-` for none.
CREATE TABLE IF NOT EXISTS {schema}.user_names (
    directory text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL REFERENCES {schema}.users (id) ON DELETE CASCADE,
    PRIMARY KEY (directory, name)
);
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'user_names_by_user')) IS NULL THEN
        CREATE INDEX user_names_by_user ON {schema}.user_names (user_id);
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS {schema}.authenticators (
    -- With the kind in front.
    id text COLLATE "C" PRIMARY KEY,
    -- Of those of a user, the newest has the highest.
    number bigint GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL,
    realm text,
    -- Masked.
    name text,
    -- Under a key that the database does not have.
    sealed bytea NOT NULL,
    created bigint NOT NULL,
    -- Whether its first right code has come.
    is_active boolean NOT NULL DEFAULT false,
    -- The latest time step whose code was used.
    last_step bigint,
    -- The digests of the recovery codes that it stands for.
    codes bytea[]
) WITH (fillfactor = 70);
-- A step or a code that is spent changes no column of these.
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'authenticators_by_user')) IS NULL THEN
        CREATE INDEX authenticators_by_user ON {schema}.authenticators (subject);
    END IF;
END $$;
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'authenticators_by_enrolment')) IS NULL THEN
        CREATE INDEX authenticators_by_enrolment ON {schema}.authenticators (created) WHERE NOT is_active;
    END IF;
END $$;

-- A client, and a realm of its users if they are in one: the ledger of usage writes the number in their stead.
CREATE TABLE IF NOT EXISTS {schema}.usage_places (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client text COLLATE "C" NOT NULL,
    realm text COLLATE "C"
);
DO $$ BEGIN
    IF pg_catalog.to_regclass(pg_catalog.format('%I.%I', {name}, 'usage_places_by_name')) IS NULL THEN
        CREATE UNIQUE INDEX usage_places_by_name
    ON {schema}.usage_places (client, (realm IS NULL), (coalesce(realm, '')));
    END IF;
END $$;

-- The days of each subject in each way of a login. Days are counted from 1970-01-01 on, in UTC. They change with each day, so no
-- index has them: the pruning reads the table.
CREATE TABLE IF NOT EXISTS {schema}.usage_rows (
    place bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    refreshed bigint,
    families_end bigint,
    subject text COLLATE "C" NOT NULL,
    -- The number of the way, doubled, and 1 more if a password has begun the logins.
    way smallint NOT NULL,
    PRIMARY KEY (place, subject, way)
) WITH (fillfactor = 80);

-- How many logins each writer has counted at a client on a day, in all realms together: at the place without a realm.
CREATE TABLE IF NOT EXISTS {schema}.usage_counts (
    day bigint NOT NULL,
    place bigint NOT NULL,
    way smallint NOT NULL,
    writer bigint NOT NULL,
    logins bigint NOT NULL,
    PRIMARY KEY (day, place, way, writer)
) WITH (fillfactor = 80);

