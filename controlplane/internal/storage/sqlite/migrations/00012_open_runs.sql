-- +goose Up

-- The runs of a tenant that have not ended, which are bounded for each subject.
CREATE INDEX runs_open_owner ON runs (tenant, subject) WHERE ended = 0;

-- What an ended run takes, its tasks included, in bytes: what a tenant keeps of
-- them is bounded.
ALTER TABLE runs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET bytes = octet_length(request) + octet_length(state) + coalesce(
    (SELECT sum(octet_length(t.state)) FROM run_tasks t WHERE t.run_id = runs.run_id), 0) WHERE ended = 1;
CREATE INDEX runs_ended_owner ON runs (tenant, subject, seq, bytes) WHERE ended = 1;

-- +goose Down
DROP INDEX runs_ended_owner;
ALTER TABLE runs DROP COLUMN bytes;
DROP INDEX runs_open_owner;
