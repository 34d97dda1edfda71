-- +goose Up

-- Whether the control plane itself made the event. For existing events this is not
-- known, so they count as reported.
ALTER TABLE events ADD COLUMN own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1));

-- +goose Down
ALTER TABLE events DROP COLUMN own;
