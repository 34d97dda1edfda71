-- +goose Up

-- The approvals with which the tasks of unfinished runs began. An interrupted task may
-- continue only with its own approval.
CREATE TABLE run_admissions (
    tenant      TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id, task_id)
) STRICT, WITHOUT ROWID;

-- The limit of results applies to each subject separately.
DROP INDEX task_results_order;
CREATE INDEX task_results_order ON task_results (tenant, subject, seq);

-- For the limit of the ended runs of a tenant.
CREATE INDEX runs_ended ON runs (tenant, seq) WHERE ended = 1;

-- +goose Down
DROP INDEX runs_ended;
DROP INDEX task_results_order;
CREATE INDEX task_results_order ON task_results (tenant, seq);
DROP TABLE run_admissions;
