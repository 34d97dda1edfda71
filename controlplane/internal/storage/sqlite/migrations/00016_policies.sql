-- +goose Up

-- How often the policy of a tenant has changed.
CREATE TABLE policy_revisions (
  tenant   TEXT    NOT NULL PRIMARY KEY,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- All versions of the policy bundle of each tenant. The highest one is in force. text
-- and signature are NULL in versions that are so old that only their name is kept.
CREATE TABLE policy_bundles (
  tenant    TEXT    NOT NULL,
  version   INTEGER NOT NULL,
  name      TEXT    NOT NULL,
  digest    TEXT    NOT NULL,
  text      BLOB,
  signature BLOB,
  put_by    TEXT    NOT NULL,
  key_id    TEXT    NOT NULL,
  put_at    INTEGER NOT NULL,
  PRIMARY KEY (tenant, version)
) STRICT;

CREATE TABLE policy_stops (
  tenant TEXT    NOT NULL,
  scope  TEXT    NOT NULL,
  reason TEXT    NOT NULL,
  by     TEXT    NOT NULL,
  key_id TEXT    NOT NULL,
  at     INTEGER NOT NULL,
  PRIMARY KEY (tenant, scope)
) STRICT, WITHOUT ROWID;

-- What decisions have taken from budgets. Amounts are whole
-- millionths. A reservation counts until the time until.
CREATE TABLE budget_reservations (
  seq         INTEGER PRIMARY KEY,
  tenant      TEXT    NOT NULL,
  budget      TEXT    NOT NULL,
  share       TEXT    NOT NULL,
  at          INTEGER NOT NULL,
  amount      INTEGER NOT NULL,
  until       INTEGER NOT NULL,
  decision_id TEXT    NOT NULL
) STRICT;
CREATE INDEX budget_reservations_used ON budget_reservations (tenant, budget, share, at, amount);
CREATE INDEX budget_reservations_decision ON budget_reservations (tenant, decision_id);
CREATE INDEX budget_reservations_until ON budget_reservations (until);

-- +goose Down
DROP TABLE budget_reservations;
DROP TABLE policy_stops;
DROP TABLE policy_bundles;
DROP TABLE policy_revisions;
