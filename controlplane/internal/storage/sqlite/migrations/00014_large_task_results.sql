-- +goose Up

-- For the limit of a subject's large task results. The number of bytes is
-- storage.LargeTaskResult.
CREATE INDEX task_results_large ON task_results (tenant, subject, seq) WHERE octet_length(result) > 65536;

-- +goose Down
DROP INDEX task_results_large;
