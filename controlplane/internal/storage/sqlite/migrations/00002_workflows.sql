-- +goose Up

-- Runs of workflows. seq increases with each new run. Ended runs may be deleted,
-- because the decisions about them are in the audit log.
CREATE TABLE runs (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id      TEXT    NOT NULL UNIQUE,
    tenant      TEXT    NOT NULL,
    workflow_id TEXT    NOT NULL,
    ended       INTEGER NOT NULL CHECK (ended IN (0, 1)),
    caller      TEXT    NOT NULL, -- JSON: whose key started it
    request     TEXT    NOT NULL, -- JSON: the spec, the context and the correlation id
    state       TEXT    NOT NULL, -- JSON: how far it is
    started_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX runs_workflow ON runs (tenant, workflow_id, seq);
CREATE INDEX runs_open ON runs (seq) WHERE ended = 0;

-- +goose Down
DROP TABLE runs;
