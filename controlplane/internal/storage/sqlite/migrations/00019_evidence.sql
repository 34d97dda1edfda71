-- +goose Up

-- What this installation signs with. log_id names it in everything that it signs; other
-- than the id of the file, a restored copy keeps it. key_file is the path of the key file
-- if it is not beside the database.
CREATE TABLE installation (
    log_id   TEXT NOT NULL,
    key_file TEXT NOT NULL
) STRICT;
INSERT INTO installation (log_id, key_file) VALUES (lower(hex(randomblob(8))), '');

-- The public keys of the installation, of which the last one signs. An announcement is a
-- note that is signed by the key itself and by the one before.
CREATE TABLE installation_keys (
    number       INTEGER NOT NULL PRIMARY KEY CHECK (number >= 1),
    public_key   BLOB    NOT NULL UNIQUE CHECK (length(public_key) = 32),
    announcement TEXT    NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER installation_keys_no_update BEFORE UPDATE ON installation_keys
BEGIN
    SELECT RAISE(ABORT, 'the keys of the installation are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER installation_keys_no_delete BEFORE DELETE ON installation_keys
BEGIN
    SELECT RAISE(ABORT, 'the keys of the installation are append-only');
END;
-- +goose StatementEnd

-- The Merkle tree over the entries of each tenant, in tiles of at most 256 hashes: level
-- 0 has the hashes of the leaves, level 1 those of 256 leaves, and so on.
CREATE TABLE audit_tiles (
    tenant TEXT    NOT NULL,
    level  INTEGER NOT NULL CHECK (level >= 0),
    number INTEGER NOT NULL CHECK (number >= 0), -- in its level
    hashes BLOB    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    UNIQUE (tenant, level, number)
) STRICT;

-- The entries that were archived before the tree began: their leaves are empty.
CREATE TABLE audit_trees (
    tenant TEXT    NOT NULL PRIMARY KEY,
    absent INTEGER NOT NULL CHECK (absent >= 1)
) STRICT, WITHOUT ROWID;
INSERT INTO audit_trees (tenant, absent) SELECT tenant, max(sequence) FROM audit_archives GROUP BY tenant;

-- Signed heads of the trees. size is the number of leaves, and the sequence of the last
-- entry.
CREATE TABLE audit_checkpoints (
    tenant TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 1),
    at     INTEGER NOT NULL,
    note   TEXT    NOT NULL,
    PRIMARY KEY (tenant, size)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE audit_checkpoints;
DROP TABLE audit_trees;
DROP TABLE audit_tiles;
DROP TABLE installation_keys;
DROP TABLE installation;
