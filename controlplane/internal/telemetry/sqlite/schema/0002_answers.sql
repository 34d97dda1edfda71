-- +goose Up

-- The first responses to requests with an Idempotency-Key, for as long as they are sent
-- again. seq is the order in which they were stored. scope is the hash of the caller,
-- the path and the key, request that of the body; neither the key nor the request is
-- stored. received is the time of the response in Unix milliseconds, cost the length of
-- its body, header a JSON object.
--
-- There is no index: the table is read as a whole when the file is opened, and
-- otherwise only written.
CREATE TABLE answers (
  seq      INTEGER PRIMARY KEY,
  received INTEGER NOT NULL,
  cost     INTEGER NOT NULL,
  scope    BLOB    NOT NULL,
  request  BLOB    NOT NULL,
  status   INTEGER NOT NULL,
  header   TEXT    NOT NULL,
  body     BLOB    NOT NULL
) STRICT;

INSERT INTO usage (kind, rows, cost, last_seq, trimmed) VALUES ('answers', 0, 0, 0, 0);

-- +goose Down
DELETE FROM usage WHERE kind = 'answers';
DROP TABLE answers;
