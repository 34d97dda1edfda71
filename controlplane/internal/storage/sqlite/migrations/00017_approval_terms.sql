-- +goose Up

-- The terms of an approval, beside quorum_needed: the roles of the keys that may decide
-- it, separated by commas, and how long people may decide it and how long it may be used,
-- in nanoseconds. use_within is 0 for approvals that were asked for before: the time
-- of the configuration applies to them.
ALTER TABLE approvals ADD COLUMN roles TEXT NOT NULL DEFAULT 'operator';
ALTER TABLE approvals ADD COLUMN decide_within INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approvals ADD COLUMN use_within INTEGER NOT NULL DEFAULT 0;
UPDATE approvals SET decide_within = max(decide_by - requested_at, 0) WHERE live = 1;

-- +goose Down
ALTER TABLE approvals DROP COLUMN use_within;
ALTER TABLE approvals DROP COLUMN decide_within;
ALTER TABLE approvals DROP COLUMN roles;
