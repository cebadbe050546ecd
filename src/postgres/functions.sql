-- The functions of tokens and of what a limiter counts. Each has the path of names with it, and waits for a lock for a second.

-- The time by the server's clock, also after a lock was waited for.
CREATE OR REPLACE FUNCTION {schema}.present_time() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000::numeric)::bigint
$$;

-- When the statement began. It stays the same throughout, so that an index can be asked for what was before it.
CREATE OR REPLACE FUNCTION {schema}.statement_time() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT pg_catalog.floor(extract(epoch FROM pg_catalog.statement_timestamp()) * 1000::numeric)::bigint
$$;

-- Keeps an access token, in the place of what its login may not have beside it. Nothing is kept for a family that has ended
-- meanwhile: its access tokens were removed then, and this one would outlive them.
CREATE OR REPLACE FUNCTION {schema}.keep_access_token(
    of_login bytea, new_digest bytea, of_subject text, of_client text, of_realm text, new_scope text, new_audience text,
    new_issued bigint, new_expires bigint, was_authenticated_at bigint, new_methods text, new_claims text, per_login bigint
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    INSERT INTO {schema}.access_tokens
        (digest, login, subject, client, realm, scope, audience, issued, expires, authenticated_at, methods, claims)
    SELECT new_digest, of_login, of_subject, of_client, of_realm, new_scope, new_audience, new_issued, new_expires,
        was_authenticated_at, new_methods, new_claims
    WHERE NOT EXISTS (SELECT FROM {schema}.refresh_families WHERE id = of_login AND ended IS NOT NULL);
    DELETE FROM {schema}.access_tokens WHERE digest IN (
        SELECT digest FROM {schema}.access_tokens WHERE login = of_login AND number <= (
            SELECT number FROM {schema}.access_tokens WHERE login = of_login ORDER BY number DESC OFFSET per_login LIMIT 1)
        -- What another call removes is left to it, so that neither waits for the other.
        ORDER BY number LIMIT 32 FOR UPDATE SKIP LOCKED);
    RETURN true;
END
$$;

-- Begins a family, in the place of one that is over, or else of the oldest, if its subject has as many at its client as it may.
-- Answers which one ended.
CREATE OR REPLACE FUNCTION {schema}.begin_family(
    new_id bytea, of_subject text, of_client text, of_realm text, new_scope text, new_audience text, new_grant_type text,
    new_methods text, was_authenticated_at bigint, new_credential_version text, new_expires bigint, new_lineage bytea,
    begins_at bigint, most bigint
) RETURNS bytea LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    live bigint;
    gone bytea;
BEGIN
    -- Two that begin at once would each see one less. What follows sees all that was done before the lock was had.
    PERFORM pg_advisory_xact_lock(
        hashtextextended(concat_ws(E'\x1f', of_subject, of_client, of_realm), 5930117436204512279));
    SELECT count(*) INTO live FROM {schema}.refresh_families
        WHERE subject = of_subject AND client = of_client AND realm IS NOT DISTINCT FROM of_realm AND ended IS NULL;
    IF live >= most THEN
        UPDATE {schema}.refresh_families SET ended = {schema}.present_time() WHERE ended IS NULL AND id = (
            SELECT id FROM {schema}.refresh_families
            WHERE subject = of_subject AND client = of_client AND realm IS NOT DISTINCT FROM of_realm AND ended IS NULL
            ORDER BY expires > begins_at, begun LIMIT 1)
            RETURNING id INTO gone;
    END IF;
    INSERT INTO {schema}.refresh_families
        (id, subject, client, realm, scope, audience, grant_type, methods, authenticated_at, credential_version, expires,
         lineage)
    VALUES (new_id, of_subject, of_client, of_realm, new_scope, new_audience, new_grant_type, new_methods,
        was_authenticated_at, new_credential_version, new_expires, new_lineage);
    RETURN gone;
END
$$;

-- Gives a family another lineage, or none, if it is still as it was seen, and answers whether it was. Until the end of the
-- statement nobody else can change it.
CREATE OR REPLACE FUNCTION {schema}.rotate_family(of_id bytea, seen bigint, new_lineage bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    IF new_lineage IS NULL THEN
        PERFORM FROM {schema}.refresh_families WHERE id = of_id AND stamp = seen AND ended IS NULL FOR SHARE;
    ELSE
        UPDATE {schema}.refresh_families SET lineage = new_lineage, stamp = stamp + 1
            WHERE id = of_id AND stamp = seen AND ended IS NULL;
    END IF;
    RETURN FOUND;
END
$$;

-- All changes, or none of them. That another was first is an answer and no error, which would fill the server's log.
CREATE OR REPLACE FUNCTION {schema}.swap_attempt_records(
    keys bytea[], seen bytea[], stamps bytea[], records bytea[], forgotten bigint[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    until bigint;
BEGIN
    -- In the order of the keys, so that nobody waits in a circle.
    FOR i IN 1 .. cardinality(keys) LOOP
        -- However early it is forgotten, it is kept for a minute.
        until := greatest(forgotten[i], {schema}.present_time() + 60000);
        IF seen[i] IS NULL THEN
            INSERT INTO {schema}.attempt_records VALUES (keys[i], stamps[i], records[i], until) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE {schema}.attempt_records SET stamp = stamps[i], record = records[i], forgotten_at = until
            WHERE key = keys[i] AND stamp = seen[i];
        END IF;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'LA001';
        END IF;
    END LOOP;
    RETURN true;
EXCEPTION WHEN SQLSTATE 'LA001' THEN
    -- What this block did is undone here.
    RETURN false;
END
$$;

