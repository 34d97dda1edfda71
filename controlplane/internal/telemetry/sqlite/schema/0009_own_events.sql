-- +goose Up

-- Whether the control plane itself made the event. What is there already counts
-- as reported: nobody wrote down who made it.
ALTER TABLE events ADD COLUMN own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1));

-- +goose Down
ALTER TABLE events DROP COLUMN own;
