-- +goose Up

-- The first responses to requests with an Idempotency-Key, for as long as they are
-- sent again. Until version 12 of this schema they were in the telemetry file. seq
-- is the order in which they were stored. scope is the hash of the caller, the path and
-- the Idempotency-Key, request that of the body; neither the key nor the request is
-- stored.
-- received is the time of the response in Unix milliseconds, cost the length of its
-- body, header a JSON object.
CREATE TABLE replies (
  seq      INTEGER PRIMARY KEY,
  tenant   TEXT    NOT NULL,
  key_id   TEXT    NOT NULL,
  received INTEGER NOT NULL,
  cost     INTEGER NOT NULL,
  scope    BLOB    NOT NULL,
  request  BLOB    NOT NULL,
  status   INTEGER NOT NULL,
  header   TEXT    NOT NULL,
  body     BLOB    NOT NULL
) STRICT;
CREATE INDEX replies_owner ON replies (tenant, key_id, seq);
CREATE INDEX replies_received ON replies (received);

-- How many replies each key has, and the bytes of their bodies.
CREATE TABLE reply_usage (
  tenant TEXT    NOT NULL,
  key_id TEXT    NOT NULL,
  rows   INTEGER NOT NULL,
  cost   INTEGER NOT NULL,
  PRIMARY KEY (tenant, key_id)
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER replies_count AFTER INSERT ON replies BEGIN
  INSERT INTO reply_usage (tenant, key_id, rows, cost) VALUES (new.tenant, new.key_id, 1, new.cost)
    ON CONFLICT (tenant, key_id) DO UPDATE SET rows = rows + 1, cost = cost + new.cost;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER replies_uncount AFTER DELETE ON replies BEGIN
  UPDATE reply_usage SET rows = rows - 1, cost = cost - old.cost WHERE tenant = old.tenant AND key_id = old.key_id;
  DELETE FROM reply_usage WHERE tenant = old.tenant AND key_id = old.key_id AND rows = 0;
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE reply_usage;
DROP TABLE replies;
