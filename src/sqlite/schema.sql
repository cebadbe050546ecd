-- Instants are whole milliseconds since 1970. Tokens, secrets and names of attempts are digests.

CREATE TABLE refresh_families (
    row INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    client TEXT NOT NULL,
    realm TEXT,
    scope TEXT NOT NULL,
    audience TEXT,
    grant_type TEXT,
    -- In which ways the user was authenticated: names with single spaces between them.
    methods TEXT NOT NULL DEFAULT '',
    authenticated_at INTEGER NOT NULL,
    credential_version TEXT,
    expires INTEGER NOT NULL,
    -- Which token counts, with a version in front.
    lineage BLOB NOT NULL,
    -- The number of changes of the lineage.
    stamp INTEGER NOT NULL DEFAULT 0,
    -- When the predecessor was used that the lineage still knows.
    used INTEGER,
    -- When the family was ended, by the clock of the store.
    ended INTEGER
) STRICT;
-- At most a hundred for each subject at a client. With their ends, so that one that is over is found without a look at the others.
CREATE INDEX refresh_families_by_login ON refresh_families (subject, realm, client, expires) WHERE ended IS NULL;
-- What was used in the last minute: a rotation adds a row at the end of this index, and the next step takes it out again.
CREATE INDEX refresh_families_by_use ON refresh_families (used) WHERE used IS NOT NULL;
CREATE INDEX refresh_families_by_end ON refresh_families (ended) WHERE ended IS NOT NULL;
CREATE INDEX refresh_families_by_expires ON refresh_families (expires);

CREATE TABLE access_tokens (
    -- Whose tokens are bounded together: the 16 bytes of a family, or a digest of 32 bytes of realm, subject and client.
    login BLOB NOT NULL,
    -- Of the tokens of this login, the newest has the highest.
    number INTEGER NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    client TEXT NOT NULL,
    realm TEXT,
    scope TEXT NOT NULL,
    audience TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    authenticated_at INTEGER,
    methods TEXT NOT NULL DEFAULT '',
    claims TEXT NOT NULL,
    PRIMARY KEY (login, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_by_subject ON access_tokens (subject, realm);
CREATE INDEX access_tokens_by_expires ON access_tokens (expires);

CREATE TABLE spent_values (
    digest BLOB PRIMARY KEY,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_values_by_expires ON spent_values (expires);

CREATE TABLE authenticators (
    row INTEGER PRIMARY KEY,
    -- With the kind in front.
    id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    realm TEXT,
    -- Masked.
    name TEXT,
    -- Under a key that the file does not have.
    sealed BLOB NOT NULL,
    created INTEGER NOT NULL,
    -- Whether its first right code has come.
    is_active INTEGER NOT NULL DEFAULT 0,
    -- The latest time step whose code was used.
    last_step INTEGER
) STRICT;
CREATE INDEX authenticators_by_user ON authenticators (subject, realm);
CREATE INDEX authenticators_by_enrolment ON authenticators (created) WHERE is_active = 0;

CREATE TABLE recovery_codes (
    authenticator INTEGER NOT NULL REFERENCES authenticators (row) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    PRIMARY KEY (authenticator, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    -- With a version in front.
    registration TEXT NOT NULL,
    is_enabled INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE TABLE client_origins (
    origin TEXT NOT NULL,
    client TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    PRIMARY KEY (origin, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_origins_by_client ON client_origins (client);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    realm TEXT,
    password_hash TEXT,
    status TEXT NOT NULL,
    -- Of a status of the application's own.
    code TEXT,
    description TEXT,
    credential_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Login names and aliases, in their canonical form. The directory is the realm behind a `+`, or `-` for none.
CREATE TABLE user_names (
    directory TEXT NOT NULL,
    name TEXT NOT NULL,
    user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (directory, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_names_by_user ON user_names (user);

-- One row: the key of all digests, and how many rows of their own pairs, accounts, addresses and wide networks have.
CREATE TABLE limiter (
    row INTEGER PRIMARY KEY CHECK (row = 1),
    key BLOB NOT NULL,
    -- Which shared key the digests are under instead; NULL for none.
    shared BLOB,
    -- When everything was forgotten last: it is counted later than that.
    forgotten INTEGER NOT NULL DEFAULT 0,
    pairs INTEGER NOT NULL DEFAULT 0,
    accounts INTEGER NOT NULL DEFAULT 0,
    addresses INTEGER NOT NULL DEFAULT 0,
    wide INTEGER NOT NULL DEFAULT 0,
    known INTEGER NOT NULL DEFAULT 0,
    was_full INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE limiter_tallies (
    -- 0 pairs, 1 accounts, 2 addresses, 3 IPv6 networks that are wider than a /64.
    kind INTEGER NOT NULL,
    -- 0 for a row of its own, 1 and 2 for cells that keys share, 3 for those that IPv6 networks share with their /48.
    place INTEGER NOT NULL,
    guess INTEGER NOT NULL,
    network INTEGER NOT NULL,
    counts BLOB NOT NULL,
    -- When it was counted at last.
    changed INTEGER NOT NULL,
    -- From when on the row tells nothing more.
    forgotten INTEGER NOT NULL,
    PRIMARY KEY (kind, place, guess, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX limiter_tallies_by_forgotten ON limiter_tallies (kind, place, forgotten);
CREATE INDEX limiter_tallies_by_network ON limiter_tallies (kind, place, network);

-- How many rows of their own the networks of some IPv6 /48 have together.
CREATE TABLE limiter_crowds (
    kind INTEGER NOT NULL,
    crowd INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (kind, crowd)
) STRICT, WITHOUT ROWID;

-- From where an account or client succeeded, when it last did, and until when a lock holds whose notice its owner got.
CREATE TABLE limiter_known (
    guess INTEGER PRIMARY KEY,
    networks BLOB NOT NULL,
    seen INTEGER NOT NULL,
    told INTEGER NOT NULL,
    -- From when on the row tells nothing more.
    forgotten INTEGER NOT NULL
) STRICT;
CREATE INDEX limiter_known_by_forgotten ON limiter_known (forgotten);

-- A client, and a realm of its users if they are in one: the ledger of usage writes the number in their stead.
CREATE TABLE usage_places (
    number INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    realm TEXT
) STRICT;
CREATE INDEX usage_places_by_name ON usage_places (client, realm);

-- The days of each subject in each way of a login. Days are counted from 1970-01-01 on, in UTC.
CREATE TABLE usage_rows (
    place INTEGER NOT NULL,
    subject TEXT NOT NULL,
    -- The number of the way, doubled, and 1 more if a password has begun the logins.
    way INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    refreshed INTEGER,
    families_end INTEGER,
    PRIMARY KEY (place, subject, way)
) STRICT, WITHOUT ROWID;

-- How many logins each writer has counted at a client on a day, in all realms together: at the place without a realm.
CREATE TABLE usage_counts (
    day INTEGER NOT NULL,
    place INTEGER NOT NULL,
    way INTEGER NOT NULL,
    writer INTEGER NOT NULL,
    logins INTEGER NOT NULL,
    PRIMARY KEY (day, place, way, writer)
) STRICT, WITHOUT ROWID;
