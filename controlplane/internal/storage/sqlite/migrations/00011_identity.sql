-- +goose Up

-- One random text a file: it tells a place in this file from one in another.
CREATE TABLE identity (id TEXT NOT NULL) STRICT;
INSERT INTO identity (id) VALUES (lower(hex(randomblob(6))));

-- +goose Down
DROP TABLE identity;
