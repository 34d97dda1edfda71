-- +goose Up

-- A hash of the whole decision, to detect a different one with the same id. Empty if
-- an older version stored the decision.
ALTER TABLE decisions ADD COLUMN content TEXT NOT NULL DEFAULT '';

-- Outcomes that were reported before their decision. When the decision is stored, one
-- of them is chosen.
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

-- Older versions did not store who reported an outcome. Outcomes without a decision
-- are deleted, so that another one can be reported; they stay in the audit log.
DELETE FROM outcomes WHERE NOT EXISTS (
    SELECT 1 FROM decisions d WHERE d.tenant = outcomes.tenant AND d.decision_id = outcomes.decision_id);

-- +goose Down
DROP TABLE early_outcomes;
ALTER TABLE decisions DROP COLUMN content;
