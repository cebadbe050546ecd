-- What a limiter counts: for all processes that share the database, and over their restarts. `fillfactor` leaves room for the
-- next version of a row in its own page; so no index is touched, because none is on a column that changes.
CREATE TABLE IF NOT EXISTS login_attempts (
    key          bytea       PRIMARY KEY,
    stamp        bytea       NOT NULL,
    record       bytea       NOT NULL,
    forgotten_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- All changes, or none of them. That another was first is an answer and no error, which would fill the server's log.
CREATE OR REPLACE FUNCTION swap_login_attempts(
    keys bytea[], seen bytea[], stamps bytea[], records bytea[], forgotten timestamptz[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz;
BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
        -- However early it is forgotten, it is kept for a minute.
        until := greatest(forgotten[i], clock_timestamp() + interval '1 minute');
        IF seen[i] IS NULL THEN
            INSERT INTO login_attempts VALUES (keys[i], stamps[i], records[i], until) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE login_attempts SET stamp = stamps[i], record = records[i], forgotten_at = until
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
