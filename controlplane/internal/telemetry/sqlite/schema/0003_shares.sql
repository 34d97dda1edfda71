-- +goose Up

-- The share of each tenant in each table, updated by each transaction that changes the
-- table. If a limit is exceeded, the tenant with the largest share loses rows.
CREATE TABLE shares (
  kind   TEXT    NOT NULL,
  tenant TEXT    NOT NULL,
  rows   INTEGER NOT NULL,
  cost   INTEGER NOT NULL,
  PRIMARY KEY (kind, tenant)
) STRICT, WITHOUT ROWID;

INSERT INTO shares SELECT 'spans', tenant, count(*), sum(cost) FROM spans GROUP BY tenant;
INSERT INTO shares SELECT 'metrics', tenant, count(*), sum(cost) FROM metrics GROUP BY tenant;
INSERT INTO shares SELECT 'events', tenant, count(*), sum(cost) FROM events GROUP BY tenant;

-- The rows of a tenant in order of arrival: seq is part of every index.
CREATE INDEX spans_by_arrival ON spans (tenant);
CREATE INDEX metrics_by_arrival ON metrics (tenant);
CREATE INDEX events_by_arrival ON events (tenant);

-- The owner of a response. Existing ones have no owner, and are deleted within ten
-- minutes.
ALTER TABLE answers ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
ALTER TABLE answers ADD COLUMN key_id TEXT NOT NULL DEFAULT '';

-- A random text that identifies this file, so that a cursor of another file is refused.
CREATE TABLE identity (id TEXT NOT NULL) STRICT;
INSERT INTO identity VALUES (lower(hex(randomblob(6))));

-- +goose Down
DROP TABLE identity;
ALTER TABLE answers DROP COLUMN key_id;
ALTER TABLE answers DROP COLUMN tenant;
DROP INDEX events_by_arrival;
DROP INDEX metrics_by_arrival;
DROP INDEX spans_by_arrival;
DROP TABLE shares;
