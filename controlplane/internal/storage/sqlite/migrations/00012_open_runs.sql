-- +goose Up

-- For the limit of the unfinished runs of each subject.
CREATE INDEX runs_open_owner ON runs (tenant, subject) WHERE ended = 0;

-- The size of an ended run including its tasks, in bytes, for the limit of a tenant.
ALTER TABLE runs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET bytes = octet_length(request) + octet_length(state) + coalesce(
    (SELECT sum(octet_length(t.state)) FROM run_tasks t WHERE t.run_id = runs.run_id), 0) WHERE ended = 1;
CREATE INDEX runs_ended_owner ON runs (tenant, subject, seq, bytes) WHERE ended = 1;

-- +goose Down
DROP INDEX runs_ended_owner;
ALTER TABLE runs DROP COLUMN bytes;
DROP INDEX runs_open_owner;
