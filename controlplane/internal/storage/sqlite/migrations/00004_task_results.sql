-- +goose Up

-- Results of tasks with an idempotency key, so that no such task is run twice. They
-- are deleted after some days, or earlier, the oldest first, if there are too many.
CREATE TABLE task_results (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant       TEXT    NOT NULL,
    subject      TEXT    NOT NULL, -- whose run it was
    principal    TEXT    NOT NULL, -- for whom it ran
    task_key     TEXT    NOT NULL,
    content      BLOB    NOT NULL, -- digest of what was done
    result       TEXT    NOT NULL, -- JSON
    run_id       TEXT    NOT NULL,
    task_id      TEXT    NOT NULL,
    committed_at INTEGER NOT NULL,
    UNIQUE (tenant, subject, principal, task_key)
) STRICT;

CREATE INDEX task_results_order ON task_results (tenant, seq);
CREATE INDEX task_results_age ON task_results (committed_at);
CREATE INDEX task_results_task ON task_results (run_id, task_id);

-- +goose Down
DROP TABLE task_results;
