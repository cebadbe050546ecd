-- A table of users as applications have it that let people log in for years: login names as they were typed, hashes of
-- two kinds, and two accounts whose names differ in case only. Everybody has the password `correct horse battery staple`.
CREATE TABLE users (
    id            bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login         text    NOT NULL UNIQUE,
    password_hash text    NOT NULL,
    disabled      boolean NOT NULL DEFAULT false
);

INSERT INTO users (login, password_hash, disabled) VALUES
    ('alice', '$argon2id$v=19$m=19456,t=2,p=1$ZC2/GHeYY3eeo3WKcMCdYA$rn+x/zCUVFGzUwNjC6hgiF0dkkO4ylCARC+qgputLIA', false),
    ('Bob@Example.com', '$2b$10$fsCthUHcduFCq/trziF.Y.x1uaFA/NQrjfTrC3NKAO3iggCFXdx/a', false),
    ('Carol', '$2b$10$kPk8m/vZhXhz4asDpVYgEe0VYn/6LvmqxWBCUJAHaaE9w14ANykvm', true),
    ('Dave@example.com', '$2b$10$AHItG4dt4CrqGKiQYVPbPeNddJUJ5iCwer2QzB9s2JNeDbuRP8.LG', false),
    ('dave@Example.com', '$argon2id$v=19$m=19456,t=2,p=1$Y0mHFR9g9BKvg2WIgPvIrw$6RYwnpEnBQZgexAm5ITpkMlgnNZIPIvexXatoNRjjMw', false);
