-- +goose Up

-- From this version on, the first responses to requests with an Idempotency-Key are in
-- the control file. Those in this file are deleted: they would have been sent again for
-- at most ten minutes.
DROP TABLE answers;
DELETE FROM usage WHERE kind = 'answers';

-- +goose Down
CREATE TABLE answers (
  seq      INTEGER PRIMARY KEY,
  received INTEGER NOT NULL,
  cost     INTEGER NOT NULL,
  scope    BLOB    NOT NULL,
  request  BLOB    NOT NULL,
  status   INTEGER NOT NULL,
  header   TEXT    NOT NULL,
  body     BLOB    NOT NULL,
  tenant   TEXT    NOT NULL DEFAULT '',
  key_id   TEXT    NOT NULL DEFAULT ''
) STRICT;
INSERT INTO usage (kind, rows, cost, last_seq, trimmed) VALUES ('answers', 0, 0, 0, 0);
