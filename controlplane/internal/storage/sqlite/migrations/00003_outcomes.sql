-- +goose Up

-- What else a decision said, to tell another one under its id. Empty where an
-- older version has written it down.
ALTER TABLE decisions ADD COLUMN content TEXT NOT NULL DEFAULT '';

-- Outcomes that were reported before their decision, by whom. Which of them
-- stands is known when the decision is.
CREATE TABLE early_outcomes (
    tenant      TEXT    NOT NULL,
    decision_id TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    key_id      TEXT    NOT NULL,
    trusted     INTEGER NOT NULL CHECK (trusted IN (0, 1)), -- whether it may speak of the decisions of others
    status      TEXT    NOT NULL,
    details     TEXT    NOT NULL, -- JSON, as in the audit log
    PRIMARY KEY (tenant, decision_id, subject)
) STRICT, WITHOUT ROWID;

-- Who reported an outcome was not kept. Without a decision it no longer keeps
-- another one out; it stays in the audit log.
DELETE FROM outcomes WHERE NOT EXISTS (
    SELECT 1 FROM decisions d WHERE d.tenant = outcomes.tenant AND d.decision_id = outcomes.decision_id);

-- +goose Down
DROP TABLE early_outcomes;
ALTER TABLE decisions DROP COLUMN content;
