-- +goose Up

-- The approvals that tasks of runs under way were begun with: one that was
-- interrupted goes on with its own, and no other may.
CREATE TABLE run_admissions (
    tenant      TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id, task_id)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE run_admissions;
