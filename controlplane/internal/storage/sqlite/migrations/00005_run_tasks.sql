-- +goose Up

-- The state of each task of a run. It is separate from the state of the run, so that a
-- step of a long workflow writes only the tasks that it changed.
CREATE TABLE run_tasks (
    tenant  TEXT NOT NULL,
    run_id  TEXT NOT NULL REFERENCES runs (run_id),
    task_id TEXT NOT NULL,
    state   TEXT NOT NULL, -- JSON
    UNIQUE (run_id, task_id)
) STRICT;

INSERT INTO run_tasks (tenant, run_id, task_id, state)
SELECT r.tenant, r.run_id, t.key, t.value FROM runs r, json_each(r.state, '$.tasks') t;
UPDATE runs SET state = json_remove(state, '$.tasks');

-- +goose Down
UPDATE runs SET state = json_set(state, '$.tasks', json((
    SELECT json_group_object(t.task_id, json(t.state)) FROM run_tasks t WHERE t.run_id = runs.run_id)));
DROP TABLE run_tasks;
