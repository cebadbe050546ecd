-- IPv6 networks that are wider than a /64 are counted, too: kind 3 of the tallies. In place 3 lie the cells that IPv6
-- networks share with those of their /48.

-- How many rows of their own the wide networks have.
ALTER TABLE limiter ADD COLUMN wide INTEGER NOT NULL DEFAULT 0;

-- How many rows of their own the networks of some IPv6 /48 have together.
CREATE TABLE limiter_crowds (
    kind INTEGER NOT NULL,
    crowd INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (kind, crowd)
) STRICT, WITHOUT ROWID;

-- A bit of a network tells IPv6 now. Without it what was counted for an IPv4 address is found again; what was counted for
-- an IPv6 network is in no crowd, and is forgotten in time.
UPDATE OR IGNORE limiter_tallies SET network = network & ~32768 WHERE place = 0;
