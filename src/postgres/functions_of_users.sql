-- The functions of users, their authenticators, and the ledger of usage.

-- Adds a user with all names, or changes nothing if the id or a name is another's.
CREATE OR REPLACE FUNCTION {schema}.add_user(
    new_id text, new_realm text, new_hash text, new_status text, new_code text, new_description text, new_version bigint,
    of_directory text, new_names text[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    added bigint;
BEGIN
    INSERT INTO {schema}.users (id, realm, password_hash, status, code, description, credential_version)
        VALUES (new_id, new_realm, new_hash, new_status, new_code, new_description, new_version) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO {schema}.user_names (directory, name, user_id)
        SELECT of_directory, new.name, new_id FROM unnest(new_names) AS new (name)
        -- In the order of their keys, so that nobody waits in a circle.
        ORDER BY new.name COLLATE "C" ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added < cardinality(new_names) THEN
        RAISE SQLSTATE 'LA001';
    END IF;
    RETURN true;
EXCEPTION WHEN SQLSTATE 'LA001' THEN
    -- What this block did is undone here.
    RETURN false;
END
$$;

-- Gives a user of this realm these names in the place of all others, or changes nothing if one is another user's.
CREATE OR REPLACE FUNCTION {schema}.change_user_names(of_id text, of_realm text, of_directory text, new_names text[])
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    change record;
BEGIN
    -- Two changes of one user go one after the other.
    PERFORM FROM {schema}.users WHERE id = of_id AND realm IS NOT DISTINCT FROM of_realm FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- In the order of the keys, those that go among those that come, so that nobody waits in a circle.
    FOR change IN
        SELECT coalesce(kept.name, new.name) AS name, kept.name IS NULL AS is_new
        FROM (SELECT name FROM {schema}.user_names WHERE user_id = of_id) AS kept
        FULL JOIN unnest(new_names) AS new (name) ON new.name = kept.name
        WHERE kept.name IS NULL OR new.name IS NULL
        ORDER BY coalesce(kept.name, new.name) COLLATE "C"
    LOOP
        IF change.is_new THEN
            INSERT INTO {schema}.user_names (directory, name, user_id) VALUES (of_directory, change.name, of_id)
                ON CONFLICT DO NOTHING;
            IF NOT FOUND THEN
                RAISE SQLSTATE 'LA001';
            END IF;
        ELSE
            DELETE FROM {schema}.user_names WHERE directory = of_directory AND name = change.name;
        END IF;
    END LOOP;
    RETURN true;
EXCEPTION WHEN SQLSTATE 'LA001' THEN
    -- What this block did is undone here.
    RETURN false;
END
$$;

-- Ends the families of these subjects in a realm and removes their access tokens, a thousand of each at most, in the order of their
-- keys. Always true: a function in a SELECT has to answer something. What is beyond a thousand the caller ends afterwards.
CREATE OR REPLACE FUNCTION {schema}.end_logins_of(of_realm text, subjects text[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    UPDATE {schema}.refresh_families SET ended = {schema}.present_time() WHERE ended IS NULL AND id IN (
        SELECT id FROM {schema}.refresh_families
        WHERE subject = ANY (subjects) AND realm IS NOT DISTINCT FROM of_realm AND ended IS NULL
        ORDER BY id LIMIT 1000 FOR UPDATE);
    DELETE FROM {schema}.access_tokens WHERE digest IN (
        SELECT digest FROM {schema}.access_tokens
        WHERE subject = ANY (subjects) AND realm IS NOT DISTINCT FROM of_realm
        ORDER BY digest LIMIT 1000 FOR UPDATE);
    RETURN true;
END
$$;

-- Removes all authenticators of these subjects in a realm, in the order of their keys.
CREATE OR REPLACE FUNCTION {schema}.remove_factors_of(of_realm text, subjects text[]) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    DELETE FROM {schema}.authenticators WHERE id IN (
        SELECT id FROM {schema}.authenticators WHERE subject = ANY (subjects) AND realm IS NOT DISTINCT FROM of_realm
        ORDER BY id FOR UPDATE);
    RETURN true;
END
$$;

-- Removes and activates authenticators of a user if there are those that were seen and no others, and answers whether it was so.
-- Until the end of the statement nobody else can change which there are.
CREATE OR REPLACE FUNCTION {schema}.change_factors(
    of_subject text, of_realm text, seen_active text[], seen_waiting text[], gone text[], confirmed text[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    active text[];
    waiting text[];
BEGIN
    -- Two enrolments of a user who has nothing would each see nothing. What follows sees all that was done before the lock was had.
    PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws(E'\x1f', of_subject, of_realm), 5930117436204512280));
    SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE is_active), '{}'),
            coalesce(array_agg(id ORDER BY id) FILTER (WHERE NOT is_active), '{}')
        INTO active, waiting
        FROM (
            SELECT id, is_active FROM {schema}.authenticators
            WHERE subject = of_subject AND realm IS NOT DISTINCT FROM of_realm ORDER BY id FOR UPDATE) AS mine;
    IF active <> seen_active OR waiting <> seen_waiting THEN
        RETURN false;
    END IF;
    DELETE FROM {schema}.authenticators WHERE id = ANY (gone);
    UPDATE {schema}.authenticators SET is_active = true WHERE id = ANY (confirmed);
    RETURN true;
END
$$;

-- The same, and adds an authenticator, with one that stands for recovery codes if there are any.
CREATE OR REPLACE FUNCTION {schema}.enrol_factor(
    of_subject text, of_realm text, seen_active text[], seen_waiting text[], gone text[], confirmed text[],
    new_id text, new_name text, new_sealed bytea, new_created bigint,
    codes_id text, codes_name text, codes_sealed bytea, codes_created bigint, new_codes bytea[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    IF NOT {schema}.change_factors(of_subject, of_realm, seen_active, seen_waiting, gone, confirmed) THEN
        RETURN false;
    END IF;
    INSERT INTO {schema}.authenticators (id, subject, realm, name, sealed, created)
        VALUES (new_id, of_subject, of_realm, new_name, new_sealed, new_created);
    IF codes_id IS NOT NULL THEN
        INSERT INTO {schema}.authenticators (id, subject, realm, name, sealed, created, codes)
            VALUES (codes_id, of_subject, of_realm, codes_name, codes_sealed, codes_created, new_codes);
    END IF;
    RETURN true;
END
$$;

-- Records a batch: places by client and realm, rows and counts with the index of their place, -1 for no day. No key stands twice
-- in it. Everything is written in the order of the keys, so that nobody waits in a circle, and what is known already is not
-- written.
CREATE OR REPLACE FUNCTION {schema}.record_usage(
    place_clients text[], place_realms text[],
    row_places bigint[], row_subjects text[], row_ways bigint[], row_firsts bigint[], row_lasts bigint[],
    row_refreshed bigint[], row_ends bigint[],
    count_places bigint[], count_days bigint[], count_ways bigint[], count_writers bigint[], count_logins bigint[]
) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    numbers bigint[];
BEGIN
    INSERT INTO {schema}.usage_places (client, realm)
        SELECT new.client, new.realm FROM unnest(place_clients, place_realms) AS new (client, realm)
        WHERE NOT EXISTS (
            SELECT FROM {schema}.usage_places AS kept
            WHERE kept.client = new.client AND kept.realm IS NOT DISTINCT FROM new.realm)
        ORDER BY new.client COLLATE "C", new.realm COLLATE "C" NULLS FIRST
        ON CONFLICT DO NOTHING;
    SELECT array_agg(kept.number ORDER BY new.at) INTO numbers
        FROM unnest(place_clients, place_realms) WITH ORDINALITY AS new (client, realm, at)
        JOIN {schema}.usage_places AS kept ON kept.client = new.client AND kept.realm IS NOT DISTINCT FROM new.realm;
    INSERT INTO {schema}.usage_rows AS kept (place, first, last, refreshed, families_end, subject, way)
        SELECT numbers[new.place], new.first, new.last, nullif(new.refreshed, -1), nullif(new.families_end, -1),
            new.subject, new.way
        FROM unnest(row_places, row_subjects, row_ways, row_firsts, row_lasts, row_refreshed, row_ends)
            AS new (place, subject, way, first, last, refreshed, families_end)
        WHERE NOT EXISTS (
            SELECT FROM {schema}.usage_rows AS old
            WHERE old.place = numbers[new.place] AND old.subject = new.subject AND old.way = new.way
            AND old.first <= new.first AND old.last >= new.last
            AND coalesce(old.refreshed, -1) >= new.refreshed AND coalesce(old.families_end, -1) >= new.families_end)
        ORDER BY numbers[new.place], new.subject COLLATE "C", new.way
        -- What is no day is neither the least nor the greatest.
        ON CONFLICT (place, subject, way) DO UPDATE SET
            first = least(kept.first, excluded.first), last = greatest(kept.last, excluded.last),
            refreshed = greatest(kept.refreshed, excluded.refreshed),
            families_end = greatest(kept.families_end, excluded.families_end);
    INSERT INTO {schema}.usage_counts AS kept (day, place, way, writer, logins)
        SELECT new.day, numbers[new.place], new.way, new.writer, new.logins
        FROM unnest(count_places, count_days, count_ways, count_writers, count_logins)
            AS new (place, day, way, writer, logins)
        WHERE NOT EXISTS (
            SELECT FROM {schema}.usage_counts AS old
            WHERE old.day = new.day AND old.place = numbers[new.place] AND old.way = new.way
            AND old.writer = new.writer AND old.logins >= new.logins)
        ORDER BY new.day, numbers[new.place], new.way, new.writer
        ON CONFLICT (day, place, way, writer) DO UPDATE SET logins = greatest(kept.logins, excluded.logins);
    RETURN true;
END
$$;

-- All rows of the ledger and the counts of these days, of one moment: client by client and realm by realm, a thousand rows of users
-- or the counts of a place in each answer, as JSON. So a million users take megabytes and no gigabyte on their way.
CREATE OR REPLACE FUNCTION {schema}.usage_report(first_day bigint, last_day bigint)
RETURNS TABLE (of_client text, of_realm text, users text, counts text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT place.client, place.realm, piece.users, piece.counts
    FROM {schema}.usage_places AS place
    JOIN (
        SELECT numbered.place, numbered.chunk, NULL::text AS counts, json_agg(
            json_build_array(subject, way, first, last, refreshed, families_end) ORDER BY subject, way)::text AS users
        FROM (
            SELECT *, (row_number() OVER (PARTITION BY kept.place ORDER BY subject, way) - 1) / 1000 AS chunk
            FROM {schema}.usage_rows AS kept) AS numbered
        GROUP BY numbered.place, numbered.chunk
        UNION ALL
        SELECT counted.place, NULL, json_agg(json_build_array(way, logins))::text, NULL
        FROM {schema}.usage_counts AS counted WHERE day BETWEEN first_day AND last_day GROUP BY counted.place
    ) AS piece ON piece.place = place.number
    ORDER BY place.client, place.realm NULLS FIRST, piece.chunk
$$;

INSERT INTO {schema}.schema_version (number) VALUES ({version})
    ON CONFLICT (is_only) DO UPDATE SET number = greatest(schema_version.number, excluded.number);
