-- +goose Up

-- The subject that started the run, which owns it, and the key that it runs with. Two
-- subjects may use the same workflow id for different workflows.
ALTER TABLE runs ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
UPDATE runs SET subject = coalesce(caller ->> '$.subject', ''), key_id = coalesce(caller ->> '$.key_id', '') WHERE json_valid(caller);
CREATE INDEX runs_owner ON runs (tenant, subject, workflow_id, seq);

-- run_admissions now has the approval that each task of an unfinished run has asked
-- for. attempt is the last attempt that began with it, or 0 if none has.
ALTER TABLE run_admissions ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
CREATE INDEX run_admissions_approval ON run_admissions (approval_id);

-- The approvals that runs wait for. When one of them is decided or ends, the run
-- continues.
CREATE TABLE run_waits (
    tenant      TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    PRIMARY KEY (run_id, task_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_waits_approval ON run_waits (approval_id);

INSERT INTO run_waits (tenant, run_id, task_id, approval_id)
SELECT r.tenant, r.run_id, t.task_id, t.state ->> '$.approval.approval_token'
FROM runs r JOIN run_tasks t ON t.run_id = r.run_id
WHERE r.ended = 0 AND t.state ->> '$.approval.approval_token' IS NOT NULL;

INSERT OR IGNORE INTO run_admissions (tenant, run_id, task_id, approval_id, attempt)
SELECT tenant, run_id, task_id, approval_id, 0 FROM run_waits;

-- +goose Down
DROP TABLE run_waits;
DROP INDEX run_admissions_approval;
DELETE FROM run_admissions WHERE attempt = 0;
ALTER TABLE run_admissions DROP COLUMN attempt;
DROP INDEX runs_owner;
ALTER TABLE runs DROP COLUMN key_id;
ALTER TABLE runs DROP COLUMN subject;
