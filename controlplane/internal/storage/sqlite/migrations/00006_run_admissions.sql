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

-- One subject's results do not push out another's.
DROP INDEX task_results_order;
CREATE INDEX task_results_order ON task_results (tenant, subject, seq);

-- The ended runs of a tenant, which are bounded.
CREATE INDEX runs_ended ON runs (tenant, seq) WHERE ended = 1;

-- +goose Down
DROP INDEX runs_ended;
DROP INDEX task_results_order;
CREATE INDEX task_results_order ON task_results (tenant, seq);
DROP TABLE run_admissions;
