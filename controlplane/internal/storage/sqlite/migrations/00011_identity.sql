-- +goose Up

-- A random text that identifies this file, so that a cursor of another file is refused.
CREATE TABLE identity (id TEXT NOT NULL) STRICT;
INSERT INTO identity (id) VALUES (lower(hex(randomblob(6))));

-- +goose Down
DROP TABLE identity;
