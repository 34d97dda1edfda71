-- +goose Up

-- seq is the order of arrival; a number is never reused. sec and nsec are the time in
-- Unix seconds and nanoseconds; sec is the largest integer if the timestamp cannot be
-- read. received is the time of arrival in Unix milliseconds. cost is the size of the
-- row for the limit, in bytes. body is the reported JSON text.

CREATE TABLE spans (
  seq      INTEGER PRIMARY KEY,
  tenant   TEXT    NOT NULL,
  received INTEGER NOT NULL,
  cost     INTEGER NOT NULL,
  sec      INTEGER NOT NULL,
  nsec     INTEGER NOT NULL,
  body     TEXT    NOT NULL,
  trace_id TEXT    NOT NULL
) STRICT;

CREATE INDEX spans_by_trace ON spans (tenant, trace_id, sec, nsec);

-- tags holds the JSON text of each tag between two characters U+001E, which JSON text
-- never contains, so that a plain text search finds a tag.
CREATE TABLE metrics (
  seq      INTEGER PRIMARY KEY,
  tenant   TEXT    NOT NULL,
  received INTEGER NOT NULL,
  cost     INTEGER NOT NULL,
  sec      INTEGER NOT NULL,
  nsec     INTEGER NOT NULL,
  body     TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  tags     TEXT    NOT NULL
) STRICT;

CREATE INDEX metrics_by_time ON metrics (tenant, sec, nsec);
CREATE INDEX metrics_by_name ON metrics (tenant, name, sec, nsec);

-- An absent id or task type is the empty text. success and duration are set for
-- step_end, escalated for policy_check.
CREATE TABLE events (
  seq         INTEGER PRIMARY KEY,
  tenant      TEXT    NOT NULL,
  received    INTEGER NOT NULL,
  cost        INTEGER NOT NULL,
  sec         INTEGER NOT NULL,
  nsec        INTEGER NOT NULL,
  body        TEXT    NOT NULL,
  type        TEXT    NOT NULL,
  workflow_id TEXT    NOT NULL,
  task_id     TEXT    NOT NULL,
  task_type   TEXT    NOT NULL,
  success     INTEGER,
  duration    REAL,
  escalated   INTEGER
) STRICT;

CREATE INDEX events_by_time ON events (tenant, sec, nsec);
CREATE INDEX events_by_type ON events (tenant, type, sec, nsec);
CREATE INDEX events_by_workflow ON events (tenant, workflow_id, sec, nsec);

-- The number and cost of the rows of each table, updated by each transaction that
-- changes the table.
CREATE TABLE usage (
  kind     TEXT    PRIMARY KEY,
  rows     INTEGER NOT NULL,
  cost     INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  trimmed  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO usage (kind, rows, cost, last_seq, trimmed) VALUES
  ('spans', 0, 0, 0, 0), ('metrics', 0, 0, 0, 0), ('events', 0, 0, 0, 0);

-- +goose Down
DROP TABLE usage;
DROP TABLE events;
DROP TABLE metrics;
DROP TABLE spans;
